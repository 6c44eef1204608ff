import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'

describe('cursor()', () => {
  let events: FileSignal

  beforeEach(() => {
    events = createFileSignal({ root: freshFolder(), poll: '1m' })
  })

  afterEach(() => events.close())

  /** What somebody hears first who begins after `after`. */
  async function firstAfter(after: string): Promise<unknown> {
    for await (const { payload } of events.subscribe(['a', 'b'], { after })) return payload
  }

  it('is the id of the newest event, of whichever key', async () => {
    await events.signal('a', 1)
    const { id } = await events.signal('b', 2)
    expect(await events.cursor()).to.equal(id)
  })

  it('is a place in an empty store, too, from which nothing is missed', async () => {
    const after = await events.cursor()
    await events.signal('a', 'the first')
    expect(await firstAfter(after)).to.equal('the first')
  })

  it('closes the gap between what a page shows and what it hears', async () => {
    await events.signal('a', 'shown')
    const after = await events.cursor()
    await events.signal('b', 'while the page loads')
    expect(await firstAfter(after)).to.equal('while the page loads')
  })

  it('rejects with CLOSED after close()', async () => {
    await events.close()
    expect(await failure(events.cursor())).to.include({ code: 'CLOSED' })
  })
})
