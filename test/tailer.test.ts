import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { FileSignalError } from '../dist/errors.js'
import type { Page, PayloadEngine, ReadRequest } from '../dist/payload/engine.js'
import type { SignalEngine, WakeKind } from '../dist/signal/engine.js'
import { createOutage } from '../dist/stream/outage.js'
import { createTailer, type Tailer } from '../dist/stream/tailer.js'
import { row } from './support/payload-contract.js'
import { memoryStore } from './support/rig.js'
import { until } from './support/wait.js'

/** An engine whose listeners take `ms` to open and to close, and are counted. */
function countedSignal(ms = 0) {
  const listening = new Set<(kind: WakeKind) => void>()
  const counts = { opened: 0, checked: 0, most: 0 }
  let failing = false
  const engine: SignalEngine = {
    name: 'counted',
    raise: () => {
      for (const wake of listening) wake('watch')
    },
    listen: async (onWake) => {
      if (failing) throw new Error('no watcher here')
      await sleep(ms)
      listening.add(onWake)
      counts.opened += 1
      counts.most = Math.max(counts.most, listening.size)
      return {
        mode: 'watch',
        check: async () => {
          counts.checked += 1
        },
        close: async () => {
          await sleep(ms)
          listening.delete(onWake)
        },
      }
    },
    close: async () => {},
  }
  return {
    engine,
    listening,
    counts,
    fail: (value: boolean) => {
      failing = value
    },
  }
}

describe('the tailer', () => {
  let store: PayloadEngine
  let signal: ReturnType<typeof countedSignal>
  let pages: Page[]
  let reads: ReadRequest[]
  let replacements: string[]
  let reports: FileSignalError[]
  let broken: Error | null
  let tailer: Tailer
  let onPage: () => void

  function create(options: { poll?: number; keys?: string[]; signalMs?: number } = {}): Tailer {
    const { poll = 10_000, keys = ['a'], signalMs = 0 } = options
    signal = countedSignal(signalMs)
    const report = (error: FileSignalError) => void reports.push(error)
    tailer = createTailer({
      payload: () => ({
        ...store,
        read: async (request) => {
          reads.push(request)
          if (broken) throw broken
          return store.read(request)
        },
      }),
      signal: () => signal.engine,
      poll,
      listened: () => ({ keys: new Set(keys), version: 1 }),
      onPage: (page, _version, replaced) => {
        pages.push(page)
        onPage()
        if (replaced) replacements.push(page.head.epoch)
      },
      onSweep: () => {},
      outage: createOutage('the store could not be read', report),
      report,
    })
    return tailer
  }

  const rowsSeen = () => pages.flatMap((page) => page.rows.map(({ n }) => n))

  beforeEach(() => {
    store = memoryStore()
    pages = []
    reads = []
    replacements = []
    reports = []
    broken = null
    onPage = () => {}
  })

  afterEach(async () => {
    await tailer.close()
    expect(signal.listening.size).to.equal(0)
  })

  it('begins at the head and reads what comes after it', async () => {
    await store.append([row('a', 1), row('a', 2)])
    create().start()
    await tailer.started()
    expect(tailer.cursor?.n).to.equal(2)
    await store.append([row('a', 3)])
    tailer.wake('local')
    await until(() => rowsSeen().length > 0, 'the row')
    expect(rowsSeen()).to.deep.equal([3])
    expect(tailer.cursor?.n).to.equal(3)
  })

  it('makes one read of a thousand wake-ups in one tick, and counts them by kind', async () => {
    create().start()
    await tailer.started()
    await until(() => tailer.mode === 'watch' && reads.length > 0, 'the first reads')
    await turn()
    const before = reads.length
    await store.append([row('a', 1)])
    for (let i = 0; i < 1000; i += 1) tailer.wake('local')
    await until(() => rowsSeen().length === 1, 'the row')
    await turn()
    await turn()
    expect(reads.length - before).to.equal(1)
    expect(tailer.wakes.local).to.equal(1000)
  })

  it('reads again after a wake-up that came while it was reading', async () => {
    create().start()
    await tailer.started()
    await until(() => reads.length > 0, 'the first reads')
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const { read } = store
    store = {
      ...store,
      read: async (request) => {
        const page = await read(request)
        await held
        return page
      },
    }
    const before = reads.length
    tailer.wake('watch')
    await until(() => reads.length > before, 'a read under way')
    await store.append([row('a', 1)])
    tailer.wake('watch')
    release()
    await until(() => rowsSeen().length === 1, 'the row that the first read missed')
  })

  it('finds without any wake-up what was committed, within poll', async () => {
    create({ poll: 50 }).start()
    await until(() => tailer.wakes.sweep > 1, 'a sweep')
    await turn()
    await store.append([row('a', 1)])
    const began = performance.now()
    await until(() => rowsSeen().length === 1, 'the row')
    expect(performance.now() - began).to.be.below(300)
    expect(tailer.wakes).to.include({ watch: 0, local: 0 })
    expect(signal.counts.checked).to.be.above(0)
  })

  it('reads only keys that somebody listens to, and still moves past the others', async () => {
    create({ keys: ['a'] }).start()
    await tailer.started()
    await store.append([row('b', 1), row('a', 2), row('b', 3)])
    tailer.wake('local')
    await until(() => tailer.cursor?.n === 3, 'the end')
    expect(rowsSeen()).to.deep.equal([2])
  })

  it('reads in pages of at most 1000 rows or 1 MiB, and lets others run between them', async () => {
    create().start()
    await tailer.started()
    await store.append(Array.from({ length: 3500 }, (_, i) => row('a', i)))
    // A turn of the loop between two pages, in which anything may run.
    let turns = 0
    const turnsOfPages = new Set<number>()
    onPage = () => turnsOfPages.add(turns)
    const count = () => {
      turns += 1
      if (rowsSeen().length < 3500) setImmediate(count)
    }
    count()
    tailer.wake('local')
    await until(() => rowsSeen().length === 3500, 'all rows')
    expect(turnsOfPages.size).to.equal(4)
    expect(pages.every((page) => page.rows.length <= 1000)).to.equal(true)
    await store.append(Array.from({ length: 40 }, () => row('a', 'x'.repeat(60_000))))
    const before = pages.length
    tailer.wake('local')
    await until(() => rowsSeen().length === 3540, 'the big rows')
    const sizes = pages.slice(before).map((page) => page.rows.length)
    expect(Math.max(...sizes)).to.be.below(20)
  })

  it('reports a store that fails once, keeps its place, and goes on when the store is back', async () => {
    create({ poll: 20 }).start()
    await tailer.started()
    await until(() => reads.length > 0, 'a read that works')
    broken = new Error('disk on fire')
    await store.append([row('a', 1)])
    const before = reads.length
    await until(() => reads.length > before + 4, 'several tries')
    expect(reports.map(({ code }) => code)).to.deep.equal(['STREAM_FAILED'])
    expect(reports[0]?.cause).to.equal(broken)
    expect(reports[0]?.remedy).to.include('cause')
    broken = null
    await until(() => rowsSeen().length === 1, 'the row')
    broken = new FileSignalError('STORE_FAILED', 'again')
    await until(() => reports.length === 2, 'the next failure is news')
    expect(reports[1]).to.equal(broken)
  })

  it('begins as soon as the store can be read, where that was not so at the start', async () => {
    const { head } = store
    let down = true
    store = {
      ...store,
      head: async () => {
        if (down) throw new Error('not yet')
        return head()
      },
    }
    create({ poll: 20 }).start()
    let started = false
    void tailer.started().then(() => {
      started = true
    })
    await until(() => reports.length === 1, 'the report')
    expect(started).to.equal(false)
    down = false
    await until(() => started, 'the start')
    expect(tailer.cursor?.n).to.equal(0)
  })

  it('takes a store that was replaced from where its epoch began', async () => {
    await store.append([row('a', 1), row('a', 2)])
    create().start()
    await tailer.started()
    const old = tailer.cursor?.epoch
    store = memoryStore()
    await store.append([row('a', 'new')])
    tailer.wake('watch')
    await until(() => rowsSeen().length === 1, 'the new store')
    expect(replacements.length).to.equal(1)
    expect(replacements[0]).not.to.equal(old)
    expect(tailer.cursor).to.deep.equal({ epoch: replacements[0], n: 1 })
  })

  it('has one listener, however quickly it is started and stopped', async () => {
    create({ signalMs: 5 })
    for (let i = 0; i < 50; i += 1) {
      tailer.start()
      if (i % 7 === 0) await sleep(i % 3)
      tailer.stop()
      if (i % 5 === 0) await turn()
    }
    tailer.start()
    tailer.start()
    await until(() => tailer.mode === 'watch', 'the listener')
    expect(signal.listening.size).to.equal(1)
    expect(signal.counts.most).to.equal(1)
    await store.append([row('a', 1)])
    signal.engine.raise({ epoch: 'any0', n: 1 })
    await until(() => rowsSeen().length === 1, 'the row')
    tailer.stop()
    await until(() => signal.listening.size === 0, 'the end of the listener')
  })

  it('finds what was committed while the listener opened', async () => {
    create({ signalMs: 30 }).start()
    await tailer.started()
    await turn()
    await store.append([row('a', 1)])
    await until(() => rowsSeen().length === 1, 'the row')
  })

  it('tries again at each sweep to listen, and reports once that it cannot', async () => {
    create({ poll: 20 })
    signal.fail(true)
    tailer.start()
    await until(() => tailer.wakes.sweep > 3, 'some sweeps')
    expect(reports.map(({ code }) => code)).to.deep.equal(['STREAM_FAILED'])
    expect(tailer.mode).to.equal(null)
    signal.fail(false)
    await until(() => tailer.mode === 'watch', 'the listener')
  })

  it('does nothing with wake-ups while it is stopped', async () => {
    create().start()
    await tailer.started()
    tailer.stop()
    expect(tailer.cursor).to.equal(null)
    const before = reads.length
    tailer.wake('watch')
    await turn()
    await turn()
    expect(reads.length).to.equal(before)
  })
})
