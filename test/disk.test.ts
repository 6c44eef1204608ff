import { rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal, type FileSignalError, type FileSignalOptions } from 'file-signal'
import { memory } from '../dist/payload/memory.js'
import { runCli } from './setup/cli.js'
import { hold } from './setup/hold.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { row, site } from './support/payload-contract.js'
import { openRawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

const MIB = 1024 * 1024
const TEXT = 'x'.repeat(60_000)

describe('what is kept', () => {
  let root: string
  let path: string
  let reports: FileSignalError[]
  let opened: FileSignal[]
  beforeEach(() => {
    root = freshFolder()
    path = join(root, 'data/sse_payloads.sqlite')
    reports = []
    opened = []
  })
  afterEach(() => Promise.all(opened.map((events) => events.close())))

  function open(retention: FileSignalOptions['retention'] = { maxBytes: '2mb' }): FileSignal {
    const events = createFileSignal({
      root,
      onError: (error) => reports.push(error),
      ...(retention && { retention }),
    })
    opened.push(events)
    return events
  }

  /** About 60 kB each. */
  async function burst(events: FileSignal, count: number): Promise<void> {
    for (let left = count; left > 0; left -= 20) {
      await events.signalMany(
        Array.from({ length: Math.min(left, 20) }, () => ({ key: 'log', payload: TEXT })),
      )
    }
  }

  const codes = () => reports.map(({ code }) => code)
  const sizeOf = (suffix: string) => statSync(path + suffix).size

  describe('on the disk', () => {
    it('comes back near maxBytes after a burst, and stats tell the file and its -wal', async () => {
      const events = open({ maxBytes: '64mb' })
      await burst(events, 400)
      const { disk } = (await events.stats()).store
      expect((disk?.file ?? 0) + (disk?.wal ?? 0)).to.be.above(20 * MIB)
      const stricter = open({ maxBytes: '2mb' })
      await stricter.prune()
      const after = (await stricter.stats()).store
      expect(after.bytes).to.be.within(MIB, 2 * MIB)
      expect(after.disk).to.deep.equal({ file: sizeOf(''), wal: sizeOf('-wal'), aside: 0 })
      expect((after.disk?.file ?? 0) + (after.disk?.wal ?? 0)).to.be.below(4 * MIB)
      expect(codes()).to.deep.equal([])
    })

    it('is bounded while somebody stores in a loop that lets no timer run', async () => {
      const events = open({ maxBytes: '2mb' })
      let largest = 0
      for (let i = 0; i < 500; i += 1) {
        await events.signal('log', TEXT)
        largest = Math.max(largest, sizeOf(''))
      }
      expect(largest).to.be.below(12 * MIB)
    })

    it('is pruned soon after a burst of another process, not a minute later', async () => {
      const events = open()
      await events.signal('log', 1)
      await until(
        () => openRaw((db) => db.prepare(`SELECT 1 FROM meta WHERE name = 'pruned_at'`).get()),
        'a pass',
      )
      openRaw((db) => {
        const insert = db.prepare('INSERT INTO events (key, payload) VALUES (?, ?)')
        for (let i = 0; i < 100; i += 1) insert.run('log', JSON.stringify(TEXT))
      })
      const isSmall = async () => {
        await events.signal('a', 1)
        return (await events.stats()).store.bytes <= 2 * MIB
      }
      await until(isSmall, 'the store to be pruned', 15_000)
    })

    it('is made anew where a small store was created without the ability to shrink', async () => {
      const events = open({ maxBytes: '64mb' })
      await burst(events, 100)
      await events.close()
      openRaw((db) => db.exec('PRAGMA auto_vacuum = 0; VACUUM'))
      const again = open()
      await again.prune()
      await again.prune()
      expect(sizeOf('')).to.be.below(3 * MIB)
      expect(openRaw((db) => db.prepare('PRAGMA auto_vacuum').get())).to.deep.equal({ auto_vacuum: 2 })
      expect((await again.stats()).store.health).to.equal('ok')
    })

    it('is told as STORE_TOO_LARGE, once, while a reader keeps the -wal, and is well again afterwards', async () => {
      const events = open()
      await events.signal('a', 1)
      const reader = openRawDatabase(path)
      reader.exec('BEGIN')
      reader.prepare('SELECT count(*) FROM events').get()
      await burst(events, 200)
      await events.prune()
      await events.prune()
      expect(codes()).to.deep.equal(['STORE_TOO_LARGE'])
      expect(reports[0]?.remedy).to.include('transaction open')
      expect((await events.stats()).store.health).to.include({ code: 'STORE_TOO_LARGE' })
      reader.exec('COMMIT')
      reader.close()
      await events.prune()
      expect((await events.stats()).store.health).to.equal('ok')
      expect(sizeOf('-wal')).to.equal(0)
      expect(codes()).to.deep.equal(['STORE_TOO_LARGE'])
    })

    it('lets everybody publish at once where the main file is deleted during a prune', async () => {
      const events = open({ maxPerKey: 10 })
      for (let i = 0; i < 20; i += 1) {
        await events.signalMany(Array.from({ length: 1000 }, (_, n) => ({ key: 'k', payload: n })))
      }
      const pruning = events.prune()
      await until(() => openRaw((db) => count(db) < 20_000), 'the prune to begin')
      rmSync(path)
      const began = performance.now()
      await events.signal('k', 'afterwards')
      expect(performance.now() - began).to.be.below(3000)
      expect(await pruning).to.include({ ran: true })
      expect((await events.stats()).store.rows).to.equal(1)
    })
  })

  describe('in memory', () => {
    it('of calls that wait for a locked store is 16 MiB at the most; beyond that they are refused at once', async () => {
      const events = open({ maxBytes: '64mb' })
      await events.signal('a', 1)
      const release = hold(path)
      const began = performance.now()
      const calls = Array.from({ length: 400 }, () => events.signal('log', TEXT))
      const outcomes = Promise.allSettled(calls)
      expect((await failure(calls.at(-1) as Promise<unknown>)).code).to.equal('STORE_BUSY')
      expect(performance.now() - began).to.be.below(5000)
      release()
      const stored = (await outcomes).filter(({ status }) => status === 'fulfilled').length
      expect(stored).to.be.within(200, 300)
      expect((await events.stats()).store.rows).to.equal(1 + stored)
      await events.signal('log', TEXT)
    })

    it('of a batch is 10,000 entries and 16 MiB; more is BATCH_TOO_LARGE, and nothing of it is stored', async () => {
      const events = open({ maxBytes: '64mb' })
      const entries = (length: number, payload: unknown) =>
        Array.from({ length }, () => ({ key: 'a', payload }))
      const error = await failure(events.signalMany(entries(10_001, 1)))
      expect([error.code, error.remedy]).to.satisfy(([code, remedy]: string[]) => {
        return code === 'BATCH_TOO_LARGE' && remedy?.startsWith('split it')
      })
      expect((await failure(events.signalMany(entries(300, TEXT)))).code).to.equal('BATCH_TOO_LARGE')
      expect((await events.stats()).store.rows).to.equal(0)
      expect(await events.signalMany(entries(10_000, 1))).to.have.length(10_000)
    })

    it('is no limit to the command, which makes batches by bytes, too', async () => {
      const events = open({ maxBytes: '64mb' })
      const line = `${JSON.stringify({ key: 'a', payload: TEXT })}\n`
      const { code, stdout } = await runCli(root, ['signal', '--many'], line.repeat(400))
      expect([code, stdout]).to.deep.equal([0, '400 stored\n'])
      expect((await events.stats()).store.rows).to.equal(400)
    })

    it('of the memory engine bounds the marks of keys that are used once: they become one floor', async () => {
      const engine = memory()(site({ retention: { maxBytes: 64 * 1024, maxPerKey: 1 } }))
      for (let i = 0; i < 3000; i += 1) await engine.append([row(`job:${i}`, TEXT.slice(0, 1000))])
      await engine.prune()
      const { epoch, n } = await engine.head()
      const page = await engine.read({
        after: { epoch, n: 0 },
        keys: new Set(Array.from({ length: 3000 }, (_, i) => `job:${i}`)),
        maxRows: 1,
        maxBytes: 1,
      })
      expect(page.pruned.size).to.be.below(200)
      expect(page.floor).to.be.within(1, n - 1)
      await engine.close()
    })
  })

  function openRaw<T>(look: (db: ReturnType<typeof openRawDatabase>) => T): T {
    const db = openRawDatabase(path)
    try {
      return look(db)
    } finally {
      db.close()
    }
  }

  function count(db: ReturnType<typeof openRawDatabase>): number {
    return (db.prepare('SELECT count(*) AS n FROM events').get() as { n: number }).n
  }
})
