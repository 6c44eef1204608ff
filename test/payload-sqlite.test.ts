import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import type { FileSignalError } from '../dist/errors.js'
import type { PayloadEngine, PayloadSite } from '../dist/payload/engine.js'
import { sqlite } from '../dist/payload/sqlite/store.js'
import { hold } from './setup/hold.js'
import { ahead } from './support/ahead.js'
import { start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { payloadContract, readAll, row, site } from './support/payload-contract.js'
import { openRawDatabase, type RawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

/** A store is three files. */
const SUFFIXES = ['', '-wal', '-shm']

payloadContract('sqlite', (options, timing) => {
  const path = join(freshFolder(), 'data', 'store.sqlite')
  return { factory: sqlite({}, timing), site: site({ database: () => path, ...options }) }
})

/** What became of two calls while the store was held for longer than their deadline. */
const refused = ahead(async () => {
  const path = join(freshFolder(), 'store.sqlite')
  const engine = sqlite()(site({ database: () => path }))
  await engine.append([row('a', 0)])
  const release = hold(path)
  const began = performance.now()
  const refusals = codesOf([engine.append([row('a', 1), row('a', 2)]), engine.append([row('a', 3)])])
  const finish = async () => {
    const codes = await refusals
    const waited = performance.now() - began
    release()
    const next = (await engine.append([row('a', 4)])).rows[0]?.n
    await engine.close()
    return { codes, waited, next }
  }
  return { outcome: finish() }
})

/** A store whose lock is held by a process that was killed, and what its first pruning came to. */
const blocked = ahead(async () => {
  const path = join(freshFolder(), 'store.sqlite')
  const engine = sqlite()(site({ database: () => path, retention: { maxPerKey: 1 } }))
  await engine.append([row('a', 1), row('a', 2)])
  const holder = start('lock-holder', [path])
  await until(() => holder.lines.includes('locked'), 'the lock')
  await holder.stop('SIGKILL')
  return { outcome: Promise.resolve({ engine, atFirst: await engine.prune() }) }
})

describe('the SQLite store', () => {
  let path: string
  let engines: PayloadEngine[] = []
  let raws: RawDatabase[] = []
  let reports: unknown[]

  beforeEach(() => {
    path = join(freshFolder(), 'store.sqlite')
    reports = []
  })

  afterEach(async () => {
    for (const raw of raws) raw.close()
    for (const engine of engines) await engine.close()
    engines = []
    raws = []
  })

  function open(options: Partial<PayloadSite> = {}): PayloadEngine {
    const engine = sqlite()(
      site({ database: () => path, report: (error) => reports.push(error), ...options }),
    )
    engines.push(engine)
    return engine
  }

  function openRaw(at = path): RawDatabase {
    const raw = openRawDatabase(at)
    raws.push(raw)
    return raw
  }

  describe('publishing', () => {
    it('has committed before the call returns', async () => {
      const engine = open()
      const promise = engine.append([row('a', 1)])
      expect(openRaw().prepare('SELECT count(*) AS n FROM events').get()).to.deep.equal({ n: 1 })
      await promise
    })

    it('queues calls in order while another process holds the lock, and leaves the event loop free', async () => {
      const engine = open()
      await engine.append([row('a', -1)])
      const raw = openRaw()
      raw.exec('BEGIN IMMEDIATE')
      const calls = Array.from({ length: 20 }, (_, i) => engine.append([row('a', i)]))
      const begin = performance.now()
      let longest = 0
      let last = begin
      await until(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
        return performance.now() - begin > 300
      }, 'a busy while')
      raw.exec('COMMIT')
      const numbers = (await Promise.all(calls)).map((appended) => appended.rows[0]?.n)
      expect(numbers).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 2))
      expect((await readAll(engine, ['a'])).payloads).to.deep.equal(
        Array.from({ length: 21 }, (_, i) => i - 1),
      )
      // SQLite's own waiting would take all of the 300 ms, and seconds.
      expect(longest).to.be.below(250)
    }).timeout(10_000)

    it('rejects with STORE_BUSY after ten seconds, and nothing is half-written', async () => {
      const { codes, waited, next } = await refused()
      expect(codes).to.deep.equal(['STORE_BUSY', 'STORE_BUSY'])
      expect(waited).to.be.within(9000, 15_000)
      expect(next).to.equal(2)
    })

    it('closes only after what waits was stored', async () => {
      const engine = open()
      await engine.append([row('a', 0)])
      const raw = openRaw()
      raw.exec('BEGIN IMMEDIATE')
      const call = engine.append([row('a', 1)])
      const closing = engine.close()
      raw.exec('COMMIT')
      await closing
      expect((await call).rows[0]?.n).to.equal(2)
      expect(await codeOf(engine.append([row('a', 2)]))).to.equal('CLOSED')
    })

    it('opens nothing anew for a read that waited for a lock while it was closed', async () => {
      await open().head()
      const raw = openRaw()
      raw.exec('BEGIN IMMEDIATE')
      const engine = open({ retention: { maxPerKey: 7 } })
      const reading = codeOf(engine.stats())
      await engine.close()
      raw.exec('COMMIT')
      expect(await reading).to.equal('CLOSED')
    })

    it('stores all of a batch or nothing', async () => {
      const engine = open()
      const bad = { ...row('a', 2), key: '' }
      expect(await codeOf(engine.append([row('a', 1), bad]))).to.equal('STORE_FAILED')
      expect((await engine.stats()).rows).to.equal(0)
    })
  })

  describe('the schema', () => {
    const refused: [string, unknown[]][] = [
      ['an empty key', ['', null, '1']],
      ['a key of 201 characters', ['x'.repeat(201), null, '1']],
      ['a key of more than 800 bytes', ['😀'.repeat(201), null, '1']],
      ['a key with a line feed', ['a\nb', null, '1']],
      ['a key with a carriage return', ['a\rb', null, '1']],
      ['a key with NUL', ['a\0b', null, '1']],
      ['a key with DEL', ['a\x7fb', null, '1']],
      ['a key that is a blob', [Buffer.from('a'), null, '1']],
      ['no key', [null, null, '1']],
      ['an empty event name', ['a', '', '1']],
      ['an event name with a line feed', ['a', 'x\ny', '1']],
      ...['open', 'error', 'ready', 'reset', 'end', 'hello'].map((name): [string, unknown[]] => [
        `the event name ${name}`,
        ['a', name, '1'],
      ]),
      ['no payload', ['a', null, null]],
      ['an empty payload', ['a', null, '']],
      ['a payload with NUL', ['a', null, '"\0"']],
      ['a payload that is a blob', ['a', null, Buffer.from('1')]],
      ['a payload above 1 MiB', ['a', null, 'x'.repeat(1024 * 1024 + 1)]],
    ]

    for (const [what, values] of refused) {
      it(`refuses ${what} from a writer in any language`, async () => {
        await open().head()
        const insert = openRaw().prepare('INSERT INTO events (key, event, payload) VALUES (?, ?, ?)')
        expect(() => insert.run(...values)).to.throw(/constraint failed/)
      })
    }

    it('takes what a foreign writer may store, and stamps it with milliseconds', async () => {
      const engine = open()
      await engine.head()
      const start = Date.now()
      openRaw()
        .prepare('INSERT INTO events (key, event, payload) VALUES (?, ?, ?)')
        .run('é'.repeat(200), 'n', '{"a":1}')
      const { pages } = await readAll(engine, ['é'.repeat(200)])
      expect(pages[0]?.rows[0]?.createdAt).to.be.within(start - 2, Date.now() + 2)
    })

    it('refuses a row number and a time that JavaScript cannot count', async () => {
      await open().head()
      const raw = openRaw()
      const max = '9007199254740992'
      expect(() => raw.exec(`INSERT INTO events (id, key, payload) VALUES (${max}, 'a', '1')`)).to.throw(
        /constraint/,
      )
      const late = `INSERT INTO events (key, payload, created_at) VALUES ('a', '1', ${max})`
      expect(() => raw.exec(late)).to.throw(/constraint/)
    })

    it('refuses a time in seconds, whose row would be pruned at once', async () => {
      await open().head()
      const insert = openRaw().prepare('INSERT INTO events (key, payload, created_at) VALUES (?, ?, ?)')
      expect(() => insert.run('a', '1', Math.floor(Date.now() / 1000))).to.throw(/constraint failed/)
    })

    it('marks what any program deletes, and refuses to alter a row', async () => {
      const engine = open()
      await engine.append([row('a', 1), row('b', 2), row('a', 3)])
      const raw = openRaw()
      raw.exec('DELETE FROM events')
      const head = await engine.head()
      expect(head.n).to.equal(3)
      const page = await engine.read({
        after: { epoch: head.epoch, n: 0 },
        keys: new Set(['a', 'b']),
        maxRows: 9,
        maxBytes: 999,
      })
      expect([...page.pruned].sort()).to.deep.equal([
        ['a', 3],
        ['b', 2],
      ])
      await engine.append([row('a', 4)])
      expect(() => raw.exec(`UPDATE events SET payload = '5'`)).to.throw(/never altered/)
    })
  })

  describe('a store that is not the one it was', () => {
    async function filled(engine: PayloadEngine): Promise<string> {
      await engine.append(Array.from({ length: 5 }, (_, i) => row('a', i)))
      return (await engine.head()).epoch
    }

    /** A copy as a backup tool makes it. */
    function backUp(): string {
      const copy = `${path}.backup`
      openRaw().exec(`VACUUM INTO '${copy}'`)
      return copy
    }

    const losses: [string, () => void][] = [
      ['its main file was deleted', () => rmSync(path)],
      ['all its files were deleted', () => SUFFIXES.forEach((suffix) => void rmSync(path + suffix))],
      ['its main file was renamed', () => renameSync(path, `${path}.old`)],
      [
        'all its files were renamed',
        () => SUFFIXES.forEach((suffix) => void renameSync(path + suffix, `${path}.old${suffix}`)),
      ],
    ]
    for (const [what, lose] of losses) {
      it(`stores what is acknowledged in a new store with a new epoch when ${what}`, async () => {
        const [writer, reader] = [open(), open()]
        const epoch = await filled(writer)
        expect((await reader.head()).epoch).to.equal(epoch)
        lose()
        const appended = await writer.append([row('a', 'after')])
        expect(appended.epoch).to.not.equal(epoch)
        const head = await reader.head()
        expect(head.epoch).to.equal(appended.epoch)
        // Numbers go on above all that were given out here.
        expect(head.start).to.be.above(5)
        expect(head.n).to.equal(head.start + 1)
        expect((await readAll(reader, ['a'])).payloads).to.deep.equal(['after'])
        await writer.close()
        await reader.append([row('a', 'again')])
        expect((await readAll(open(), ['a'])).payloads).to.deep.equal(['after', 'again'])
      })
    }

    it('gives an older copy that was put in its place a new epoch, and appends behind it', async () => {
      const [writer, reader] = [open(), open()]
      const epoch = await filled(writer)
      const copy = backUp()
      await writer.append([row('a', 'lost')])
      await reader.head()
      renameSync(copy, path)
      const appended = await writer.append([row('a', 'after')])
      const head = await reader.head()
      expect(appended.epoch).to.not.equal(epoch)
      expect(head.epoch).to.equal(appended.epoch)
      expect(head.start).to.be.above(6)
      expect(head.n).to.equal(head.start + 1)
      expect((await readAll(reader, ['a'], head.start)).payloads).to.deep.equal(['after'])
      expect((await readAll(open(), ['a'])).payloads).to.deep.equal([0, 1, 2, 3, 4, 'after'])
    })

    it('gives a store that stands below the newest signal a new epoch, once', async () => {
      const epoch = await filled(open())
      const newestSignal = () => ({ epoch, n: 9 })
      const head = await open({ newestSignal }).head()
      expect(head.epoch).to.not.equal(epoch)
      expect(head.start).to.be.above(9)
      expect((await open({ newestSignal }).head()).epoch).to.equal(head.epoch)
    })

    it('believes a foreign writer’s bare number once', async () => {
      const epoch = await filled(open())
      const newestSignal = () => ({ epoch: null, n: 9 })
      const reader = open({ newestSignal })
      const head = await reader.head()
      expect(head.epoch).to.not.equal(epoch)
      expect((await reader.head()).epoch).to.equal(head.epoch)
      expect((await open({ newestSignal }).head()).epoch).to.equal(head.epoch)
    })

    it('ignores signals that the store has caught up with', async () => {
      const epoch = await filled(open())
      expect((await open({ newestSignal: () => ({ epoch, n: 5 }) }).head()).epoch).to.equal(epoch)
    })

    it('believes once that another store stood here meanwhile', async () => {
      const epoch = await filled(open())
      const newestSignal = () => ({ epoch: 'otherone', n: 99 })
      const { epoch: renewed, start } = await open({ newestSignal }).head()
      expect(renewed).to.not.equal(epoch)
      expect(start).to.be.above(99)
      const again = () => ({ epoch: 'othero2', n: start + 99 })
      expect((await open({ newestSignal: again }).head()).epoch).to.equal(renewed)
    })

    it('sets a store aside over which an older copy was written, and begins a new one', async () => {
      const [writer, reader] = [open(), open()]
      const epoch = await filled(writer)
      const copy = backUp()
      // So much that SQLite has moved it from the -wal into the main file.
      for (let i = 0; i < 400; i += 1) await writer.append([row('a', 'x'.repeat(20_000))])
      await readAll(reader, ['a'])
      copyFileSync(copy, path)
      await until(async () => (await reader.head()).epoch !== epoch, 'a new epoch')
      const [appended, head] = [await writer.append([row('a', 'after')]), await reader.head()]
      expect(appended.epoch).to.not.equal(epoch)
      expect(head.epoch).to.equal(appended.epoch)
      expect((await readAll(reader, ['a'])).payloads).to.deep.equal(['after'])
      // Whoever sets it aside says why, the other that its store is another.
      const codes = reports.map((error) => (error as FileSignalError).code)
      expect(codes).to.deep.equal(['STORE_DAMAGED', 'STORE_RESTORED'])
    })

    it('takes a VACUUM for what it is', async () => {
      const engine = open()
      const epoch = await filled(engine)
      for (let i = 0; i < 400; i += 1) await engine.append([row('b', 'x'.repeat(20_000))])
      const raw = openRaw()
      raw.exec(`DELETE FROM events WHERE key = 'b'`)
      raw.exec('VACUUM')
      raw.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      expect(statSync(path).size).to.be.below(200_000)
      expect((await engine.append([row('a', 'x')])).epoch).to.equal(epoch)
      expect((await readAll(engine, ['a'])).payloads).to.deep.equal([0, 1, 2, 3, 4, 'x'])
      expect(reports).to.deep.equal([])
    })

    it('gives a store that was cut back in its own file one new epoch, however many publishers notice', async () => {
      const writers = [open(), open(), open()]
      for (const writer of writers) await filled(writer)
      for (const writer of writers) await writer.head()
      openRaw().exec(`DELETE FROM events WHERE id > 5; DELETE FROM pruned;
        UPDATE sqlite_sequence SET seq = 5; UPDATE standing SET marked = 0`)
      const epochs: string[] = []
      for (const writer of writers) epochs.push((await writer.append([row('a', 'after')])).epoch)
      const head = await open().head()
      expect(head.epoch).to.equal(epochs[0])
      expect(head.n).to.equal(head.start + 3)
      expect(new Set(epochs).size).to.equal(1)
    })

    it('skips a million numbers after a reboot and keeps its epoch', async () => {
      const epoch = await filled(open())
      openRaw().exec(`UPDATE meta SET value = 'another boot' WHERE name = 'boot'`)
      const engine = open()
      expect((await engine.append([row('a', 'x')])).rows[0]?.n).to.equal(1_000_006)
      expect((await engine.head()).epoch).to.equal(epoch)
      expect((await open().append([row('a', 'x')])).rows[0]?.n).to.equal(1_000_007)
    })

    it('sets a damaged store aside under the lock, reports it once and begins a new one', async () => {
      const engine = open()
      await engine.append(Array.from({ length: 2000 }, (_, i) => row('a', `${i}${'x'.repeat(200)}`)))
      const { epoch } = await engine.head()
      await engine.close()
      const bytes = readFileSync(path)
      bytes.fill(0x5a, 4096, bytes.length - 4096)
      writeFileSync(path, bytes)
      const [first, second] = [open(), open()]
      const [a, b] = await Promise.all([first.append([row('a', 'new')]), second.append([row('a', 'new')])])
      expect(a.epoch).to.not.equal(epoch)
      expect(b.epoch).to.equal(a.epoch)
      expect(reports.map((error) => (error as FileSignalError).code)).to.deep.equal(['STORE_DAMAGED'])
      const aside = readdirSync(join(path, '..')).filter(
        (name) => name.includes('.damaged-') && !/-(wal|shm)$/.test(name),
      )
      expect(aside.length).to.equal(1)
      expect(readFileSync(join(path, '..', aside[0] as string)).equals(bytes)).to.equal(true)
    })
  })

  describe('files that are not its own', () => {
    it('refuses a file that is not a database, untouched', async () => {
      writeFileSync(path, 'my diary\n'.repeat(1000))
      expect(await codeOf(open().append([row('a', 1)]))).to.equal('STORE_FOREIGN')
      expect(readFileSync(path, 'utf8')).to.equal('my diary\n'.repeat(1000))
      expect(existsSync(`${path}-wal`)).to.equal(false)
    })

    it('refuses another program’s database, untouched', async () => {
      openRaw().exec('CREATE TABLE theirs (a)')
      const before = readFileSync(path)
      expect(await codeOf(open().append([row('a', 1)]))).to.equal('STORE_FOREIGN')
      expect(readFileSync(path).equals(before)).to.equal(true)
    })

    it('refuses a store of a newer version, untouched', async () => {
      const engine = open()
      await engine.append([row('a', 1)])
      await engine.close()
      const raw = openRaw()
      raw.exec('PRAGMA user_version = 99')
      expect(await codeOf(open().append([row('a', 2)]))).to.equal('STORE_NEWER')
      expect(raw.prepare('SELECT count(*) AS n FROM events').get()).to.deep.equal({ n: 1 })
    })

    it('refuses a symbolic link at any of its three names', async () => {
      for (const suffix of SUFFIXES) {
        path = join(freshFolder(), 'store.sqlite')
        const target = join(freshFolder(), 'target')
        writeFileSync(target, '')
        symlinkSync(target, path + suffix)
        expect(await codeOf(open().append([row('a', 1)]))).to.equal('PATH_UNSAFE')
        expect(statSync(target).size).to.equal(0)
      }
    })
  })

  describe('retention', () => {
    it('is obeyed by processes that were given none', async () => {
      await open({ retention: { maxPerKey: 2 } }).append([row('a', 0)])
      const other = open()
      await other.append(Array.from({ length: 9 }, (_, i) => row('a', i)))
      expect((await other.stats()).retention).to.include({ maxPerKey: 2, maxAge: 86_400_000 })
      await other.prune()
      expect((await other.stats()).rows).to.equal(2)
    })

    it('remembers a limit that was lifted', async () => {
      await open({ retention: { maxAge: Number.POSITIVE_INFINITY } }).head()
      expect((await open().stats()).retention.maxAge).to.equal(Number.POSITIVE_INFINITY)
    })

    it('looks again at every key when a smaller limit is given later', async () => {
      const engine = open({ retention: { maxPerKey: 8 } })
      await engine.append(Array.from({ length: 9 }, (_, i) => row('a', i)))
      await engine.prune()
      const stricter = open({ retention: { maxPerKey: 3 } })
      await stricter.prune()
      expect((await stricter.stats()).rows).to.equal(3)
    })

    it('prunes by itself, also in a process that only reads', async () => {
      await open({ retention: { maxPerKey: 2 } }).append(Array.from({ length: 9 }, (_, i) => row('a', i)))
      openRaw().exec(`DELETE FROM meta WHERE name = 'pruned_at'`)
      const reader = open()
      await readAll(reader, ['a'])
      await until(async () => (await reader.stats()).rows === 2, 'the reader to prune')
    })

    it('folds marks older than seven retentions into one floor', async () => {
      const engine = open({ retention: { maxPerKey: 1, maxAge: 86_400_000 } })
      await engine.append(['a', 'a', 'b', 'b', 'c', 'c'].map((key, i) => row(key, i)))
      await engine.prune()
      openRaw()
        .prepare('UPDATE pruned SET at = ? WHERE key <> ?')
        .run(Date.now() - 8 * 86_400_000, 'c')
      await engine.prune()
      const { epoch } = await engine.head()
      const page = await engine.read({
        after: { epoch, n: 0 },
        keys: new Set(['c']),
        maxRows: 9,
        maxBytes: 999,
      })
      expect(page.floor).to.equal(3)
      expect([...page.pruned]).to.deep.equal([['c', 5]])
    })

    it('bounds the marks that keys leave which were used once: they take no room from the events', async () => {
      const engine = open({ retention: { maxAge: 1000, maxBytes: 1024 * 1024 } })
      await engine.append(Array.from({ length: 8000 }, (_, i) => row(`job:${i}:${'x'.repeat(40)}`, i)))
      openRaw().exec(`DELETE FROM events`)
      const fresh = await engine.append([row('orders', 'fresh')])
      await engine.prune()
      const { epoch, rows } = fresh
      const { bytes } = await engine.stats()
      expect(bytes).to.be.below(1024 * 1024)
      const after = { epoch, n: (rows[0]?.n ?? 0) - 1 }
      const page = await engine.read({ after, keys: new Set(['orders']), maxRows: 9, maxBytes: 999 })
      expect(page.rows.map(({ payload }) => payload)).to.deep.equal(['"fresh"'])
      expect(page.floor).to.be.within(1, 7999)
    })

    it('prunes 50,000 rows without holding the event loop', async () => {
      const engine = open({ retention: { maxPerKey: 10 } })
      for (let i = 0; i < 50; i += 1) {
        await engine.append(Array.from({ length: 1000 }, (_, j) => row(`k${j % 7}`, `${i}-${j}`)))
      }
      let longest = 0
      let last = performance.now()
      const timer = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 1)
      await engine.prune()
      clearInterval(timer)
      expect((await engine.stats()).rows).to.equal(70)
      expect(longest).to.be.below(250)
    })

    it('keeps the WAL small', async () => {
      const engine = open()
      for (let i = 0; i < 40; i += 1) {
        await engine.append(Array.from({ length: 20 }, () => row('a', 'x'.repeat(60_000))))
      }
      await engine.append([row('a', 1)])
      expect(statSync(`${path}-wal`).size).to.be.below(16 * 1024 * 1024)
    })

    it('is not blocked for ever by a lock that a killed process left', async () => {
      const { engine, atFirst } = await blocked()
      expect(atFirst).to.deep.equal({ deleted: 0, ran: false })
      await until(async () => (await engine.prune()).ran, 'the lock to be taken over', 15_000)
      expect((await engine.stats()).rows).to.equal(1)
      await engine.close()
    }).timeout(20_000)
  })
})

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => null,
    (failure: FileSignalError) => failure,
  )
  expect(error, 'an error').to.be.an('error')
  expect(error?.message).to.include(error?.remedy)
  return (error as FileSignalError).code
}

async function codesOf(promises: Promise<unknown>[]): Promise<string[]> {
  return Promise.all(promises.map((promise) => codeOf(promise)))
}
