import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { type RunningExample, startExample } from './setup/example.js'
import { until } from './support/wait.js'

describe('the examples of hooks', () => {
  let example: RunningExample
  let sources: EventSource[]

  /** Listens as the page does; the array grows with what arrives. */
  function listen<T>(path: string, event: string): { seen: T[]; source: EventSource } {
    const source = new EventSource(example.address + path)
    const seen: T[] = []
    source.addEventListener(event, ({ data }) => seen.push(JSON.parse(data)))
    sources.push(source)
    return { seen, source }
  }

  beforeEach(() => {
    sources = []
  })

  afterEach(async () => {
    for (const source of sources) source.close()
    expect(await example.stop()).to.equal(0)
  })

  it('hydration sends the fresh row, and two pages make no more queries than one', async () => {
    example = await startExample('hydration')
    type Report = { id: number; title: string; pages: number; queries: number }
    const { seen: one } = listen<Report>('reports.sse', 'report')
    const { seen: two } = listen<Report>('reports.sse', 'report')
    await until(() => one.length >= 3 && two.length >= 3, 'three rows on each page')
    expect(one[0]).to.include({ id: 505, title: 'Sales of the quarter' })
    const both = one.filter(({ queries }) => two.some((other) => other.queries === queries))
    expect(both).to.have.length.at.least(2)
    for (const report of both) expect(two).to.deep.include(report)
    const [before, last] = both.slice(-2) as [Report, Report]
    // The empty report in between is asked for, and not sent.
    expect(last.queries - before.queries).to.equal(last.pages === 1 ? 2 : 1)
  })

  it('online shows who has a stream open, and forgets who has left', async () => {
    example = await startExample('online')
    const { seen } = listen<string[]>('online.sse?name=Ada', 'message')
    const { source } = listen('online.sse?name=Ben', 'message')
    await until(() => seen.at(-1)?.join() === 'Ada,Ben', 'both')
    source.close()
    await until(() => seen.at(-1)?.join() === 'Ada', 'the end of the lease', 8000)
  })
})
