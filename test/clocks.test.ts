import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { FileSignalOptions, PayloadEngine } from 'file-signal'
import { sqlite } from '../dist/payload/sqlite/store.js'
import { type Child, type ChildOptions, start } from './support/child.js'
import { CLOCKS, createWallClock, monotonicAhead, type WallClock } from './support/clock.js'
import { freshFolder } from './support/folder.js'
import { site } from './support/payload-contract.js'
import { type Client, connect } from './support/sse.js'
import { until } from './support/wait.js'
import { startWeb, type Web } from './support/web.js'

describe('a clock that is set', () => {
  let root: string
  let options: FileSignalOptions
  let clock: WallClock
  let children: Child[]
  let clients: Client[]

  beforeEach(() => {
    root = freshFolder()
    options = { root, poll: 50, retry: 50 }
    clock = createWallClock()
    children = []
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    for (const child of children) await child.stop('SIGKILL')
  })

  async function web(env: ChildOptions['env']): Promise<Web> {
    const stream = { replay: 'all' as const }
    const started = await startWeb({ keys: ['answer'], options, stream }, env)
    children.push(started.child)
    return started
  }

  async function read({ url }: Web): Promise<Client> {
    const client = await connect(url)
    clients.push(client)
    return client
  }

  function writer(more: { count: number; gap?: number; lease?: string }, env: ChildOptions['env']): Child {
    const child = start(
      'writer',
      [JSON.stringify({ key: 'answer', gap: 5, lease: '1s', options, ...more })],
      {
        env,
      },
    )
    children.push(child)
    return child
  }

  const reasons = ({ messages }: Client) =>
    messages.filter(({ event }) => event === 'end').map(({ data }) => JSON.parse(data).reason)

  it('forward by an hour ends no writer that lives and is silent', async () => {
    const client = await read(await web(clock.env))
    const child = writer({ count: 2, gap: 1500, lease: '1s' }, clock.env)
    await until(() => client.messages.some(({ data }) => data.includes('word 0')), 'the first word')
    clock.set(CLOCKS.HOUR)
    expect((await child.ended).stdout).to.match(/written\n$/)
    await until(() => client.ended, 'the end')
    expect(reasons(client)).to.deep.equal([])
    expect(client.messages.filter(({ data }) => data.includes('word'))).to.have.length(2)
  })

  it('back by an hour keeps no key of a writer that is dead, and its readers are told', async () => {
    clock.set(CLOCKS.HOUR)
    const client = await read(await web(clock.env))
    const child = writer({ count: 1000, gap: 20 }, clock.env)
    await until(() => child.lines.length > 2, 'some words')
    await child.stop('SIGKILL')
    clock.reset()
    await until(() => client.ended, 'the end', 3000)
    expect(reasons(client)).to.deep.equal(['lost'])
    expect((await writer({ count: 1 }, clock.env).ended).stdout).to.match(/written\n$/)
  })

  it('that all stood still by, as in a container that is paused, ends no writer', async () => {
    const reader = await web({})
    const client = await read(reader)
    const child = writer({ count: 100, gap: 20 }, {})
    await until(() => child.lines.length > 2, 'some words')
    for (const { process } of [reader.child, child]) process.kill('SIGSTOP')
    await sleep(1300)
    for (const { process } of [reader.child, child]) process.kill('SIGCONT')
    expect((await child.ended).stdout).to.match(/written\n$/)
    await until(() => client.ended, 'the end')
    expect(reasons(client)).to.deep.equal([])
  })

  it('between two claims of a mailbox makes no job arrive twice, and keeps none of a dead process', async () => {
    const { now } = Date
    const lease = 300
    const open = () => sqlite({}, { lease })(site({ database: () => join(root, 'store.sqlite') }))
    const [one, other] = [open(), open()]
    const claim = async ({ mailbox }: PayloadEngine, holder: string) =>
      (await mailbox?.claim({ keys: ['a'], holder, count: 1 }))?.rows.length
    try {
      await one.append([{ key: 'a', event: null, payload: '1', kind: 'event', dedupe: null }])
      expect(await claim(one, 'one')).to.equal(1)
      Date.now = () => now() + CLOCKS.HOUR
      expect(await claim(other, 'other')).to.equal(0)
      Date.now = () => now() - CLOCKS.HOUR
      await until(() => claim(other, 'other'), 'the end of the claim', 1000)
    } finally {
      Date.now = now
      await one.close()
      await other.close()
    }
  })

  it('of a kind that nobody sets, but that is another one here, ends no writer that lives', async () => {
    const client = await read(await web({}))
    const child = writer({ count: 2, gap: 1500 }, monotonicAhead(-CLOCKS.HOUR))
    expect((await child.ended).stdout).to.match(/written\n$/)
    await until(() => client.ended, 'the end')
    expect(reasons(client)).to.deep.equal([])
  })

  it('of that kind hides no writer that is dead', async () => {
    const client = await read(await web({}))
    const child = writer({ count: 1000, gap: 20 }, monotonicAhead(CLOCKS.HOUR))
    await until(() => child.lines.length > 2, 'some words')
    await child.stop('SIGKILL')
    await until(() => client.ended, 'the end', 4000)
    expect(reasons(client)).to.deep.equal(['lost'])
  })

  it('leaves the lease of an earlier run of the machine to processes that live for a moment only', async () => {
    const held = writer({ count: 1000, gap: 20 }, monotonicAhead(CLOCKS.HOUR))
    await until(() => held.lines.length > 2, 'some words')
    await held.stop('SIGKILL')
    // Each of them sees it once; together they have seen it for long enough.
    await until(async () => /written\n$/.test((await writer({ count: 1 }, {}).ended).stdout), 'the key', 6000)
  })
})
