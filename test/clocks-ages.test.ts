import { existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignalError, type PayloadEngine, type PayloadSite } from 'file-signal'
import { clearLockAhead } from '../dist/lock-ahead.js'
import { createOpener } from '../dist/payload/sqlite/opener.js'
import { createPruner } from '../dist/payload/sqlite/prune.js'
import { sqlite } from '../dist/payload/sqlite/store.js'
import { ahead } from './support/ahead.js'
import { CLOCKS } from './support/clock.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { site } from './support/payload-contract.js'
import { openRawDatabase, type RawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

const { HOUR, DAY, YEAR } = CLOCKS
const EARLIEST = 1_000_000_000_000

/** A lock that somebody left whose clock was a month ahead, and what becomes of pruning. It is watched for 10 s. */
const leftAhead = ahead(async () => {
  const path = join(freshFolder(), 'store.sqlite')
  const engine = sqlite()(site({ database: () => path, retention: { maxPerKey: 1 } }))
  const row = { key: 'a', event: null, payload: '1', kind: 'event' as const, dedupe: null }
  await engine.append([row, row])
  await until(async () => (await engine.prune()).ran, 'the first pass')
  await engine.append([row])
  leaveLock(`${path}.lock`, 30 * DAY)
  const pruned = engine.prune()
  return { outcome: pruned.finally(() => engine.close()) }
})

function leaveLock(folder: string, ms: number): void {
  mkdirSync(folder)
  const at = (Date.now() + ms) / 1000
  utimesSync(folder, at, at)
}

describe('ages, where clocks were wrong', () => {
  let path: string
  let engine: PayloadEngine
  let raw: RawDatabase
  let reports: unknown[]

  beforeEach(() => {
    path = join(freshFolder(), 'store.sqlite')
    reports = []
  })

  afterEach(async () => {
    raw?.close()
    await engine?.close()
  })

  async function open(retention: PayloadSite['retention']): Promise<void> {
    engine = sqlite()(site({ database: () => path, retention, report: (error) => reports.push(error) }))
    await engine.head()
    raw = openRawDatabase(path)
  }

  function store(key: string, at: number, count = 1): void {
    const insert = raw.prepare('INSERT INTO events (key, payload, created_at) VALUES (?, ?, ?)')
    raw.exec('BEGIN')
    for (let i = 0; i < count; i += 1) insert.run(key, '1', Math.round(at))
    raw.exec('COMMIT')
  }

  async function kept(): Promise<Record<string, number>> {
    await engine.prune()
    const rows = raw.prepare('SELECT key, count(*) AS count FROM events GROUP BY key ORDER BY key').all()
    return Object.fromEntries(
      (rows as { key: string; count: number }[]).map(({ key, count }) => [key, count]),
    )
  }

  it('rows from the future are as old as those behind them, also where they are many', async () => {
    await open({ maxAge: DAY })
    store('ahead', Date.now() + YEAR, 3000)
    store('old', Date.now() - 2 * DAY, 500)
    store('microseconds', (Date.now() - 2 * DAY) * 1000, 10)
    store('old', Date.now() - 2 * DAY)
    store('later', Date.now() + HOUR)
    store('young', Date.now() - HOUR)
    store('microseconds', Date.now() * 1000)
    expect(await kept()).to.deep.equal({ later: 1, microseconds: 1, young: 1 })
  })

  it('rows behind young ones stay, however old they say they are', async () => {
    await open({ maxAge: DAY })
    store('old', Date.now() - 2 * DAY, 3)
    store('young', Date.now() - HOUR)
    store('back', EARLIEST, 3)
    store('back', Date.now() - 3 * DAY, 3)
    store('young', Date.now())
    expect(await kept()).to.deep.equal({ back: 6, young: 2 })
  })

  it('rows of a board that had no clock are as old as the first one behind that has', async () => {
    await open({ maxAge: DAY })
    store('boot', EARLIEST + 600_000, 3)
    expect(await kept()).to.deep.equal({ boot: 3 })
    store('young', Date.now() - HOUR)
    expect(await kept()).to.deep.equal({ boot: 3, young: 1 })
  })

  it('rows with nothing honest behind them go, a retention after they were first seen', async () => {
    await open({ maxAge: 300 })
    store('ahead', Date.now() + YEAR, 3)
    store('boot', EARLIEST, 3)
    expect(await kept()).to.deep.equal({ ahead: 3, boot: 3 })
    await sleep(150)
    store('later', Date.now() + YEAR)
    expect(await kept()).to.deep.equal({ ahead: 3, boot: 3, later: 1 })
    await sleep(200)
    expect(await kept()).to.deep.equal({ later: 1 })
    await sleep(350)
    expect(await kept()).to.deep.equal({})
  })

  it('a clock that is set back deletes nothing, one that was ahead does not put off the next pass', async () => {
    const { now } = Date
    await open({ maxAge: DAY })
    store('young', Date.now() - HOUR, 3)
    try {
      Date.now = () => 600_000
      expect(await kept()).to.deep.equal({ young: 3 })
      Date.now = () => now() + 2 * DAY
      expect(await kept()).to.deep.equal({})
    } finally {
      Date.now = now
    }
    store('old', Date.now() - 2 * DAY, 3)
    const other = sqlite()(site({ database: () => path }))
    await other.append([{ key: 'new', event: null, payload: '1', kind: 'event', dedupe: null }])
    await until(() => raw.prepare("SELECT 1 FROM events WHERE key = 'old'").get() === undefined, 'the pass')
    await other.close()
  })

  it('marks from the future keep none behind them from being folded, and marks from 1970 are not folded', async () => {
    await open({ maxPerKey: 1, maxAge: DAY })
    for (const key of ['ahead', 'old', 'boot', 'young', 'back']) store(key, Date.now(), 2)
    await kept()
    const at = raw.prepare('UPDATE pruned SET at = ? WHERE key = ?')
    at.run(Date.now() + YEAR, 'ahead')
    at.run(Date.now() - 8 * DAY, 'old')
    at.run(600_000, 'boot')
    at.run(600_000, 'back')
    await kept()
    const left = raw.prepare('SELECT key FROM pruned ORDER BY n').all() as { key: string }[]
    expect(left.map(({ key }) => key)).to.deep.equal(['boot', 'young', 'back'])
  })

  it('events from the future are told once, until they are gone', async () => {
    const root = freshFolder()
    const codes: string[] = []
    const events = createFileSignal({ root, onError: ({ code }) => codes.push(code) })
    await events.signal('a', 1)
    const { place } = (await events.stats()).store
    await until(async () => (await events.prune()).ran, 'a pass')
    path = place
    raw = openRawDatabase(place)
    store('a', Date.now() * 1000)
    raw.exec("DELETE FROM meta WHERE name = 'pruned_at'")
    const other = createFileSignal({ root, onError: ({ code }) => codes.push(code) })
    const reading = other.subscribe('a').next()
    await until(() => codes.length > 0, 'the report')
    expect(codes).to.deep.equal(['CLOCK_WRONG'])
    const { health } = (await other.stats()).store
    expect(health).to.include({ code: 'CLOCK_WRONG' })
    await other.close()
    await reading.catch(() => {})
    await events.close()
  })

  it('events of a machine without a clock are stored and arrive, and the clock is told once', async () => {
    const { now } = Date
    const codes: string[] = []
    const events = createFileSignal({ root: freshFolder(), onError: ({ code }) => codes.push(code) })
    const booted = performance.now()
    try {
      Date.now = () => 600_000 + Math.round(performance.now() - booted)
      const reading = events.subscribe('a')
      await events.signal('a', 1)
      await events.signalMany([{ key: 'a', payload: 2, dedupe: 'two' }])
      await events.writer('a').from([3])
      const got: unknown[] = []
      for await (const { payload } of reading) got.push(payload)
      expect(got).to.deep.equal([1, 2, 3])
      await until(() => codes.length > 0, 'the report')
      expect(codes).to.deep.equal(['CLOCK_WRONG'])
      expect((await events.stats()).store.health).to.include({ code: 'CLOCK_WRONG' })
    } finally {
      Date.now = now
      await events.close()
    }
  })

  it('a plain insert of another program is stored as well, whatever its clock says', async () => {
    await open(null)
    const { sql } = raw.prepare("SELECT sql FROM sqlite_master WHERE name = 'events'").get() as {
      sql: string
    }
    const unset = sql.replace("julianday('now')", '2440587.6').replace('TABLE events', 'TABLE boot')
    expect(unset).to.include('2440587.6')
    raw.exec(unset)
    raw.exec("INSERT INTO boot (key, payload) VALUES ('a', '1')")
    expect(raw.prepare('SELECT created_at AS at FROM boot').get()).to.deep.equal({ at: EARLIEST })
  })

  it('a lock that is ahead of now is taken over when it has stood still', async () => {
    expect(await leftAhead()).to.deep.equal({ deleted: 1, ran: true })
  }).timeout(20_000)

  it('a lock that is ahead of now and is renewed has a holder who lives', async () => {
    const folder = join(freshFolder(), 'a.lock')
    leaveLock(folder, HOUR)
    let at = Date.now() + HOUR
    const renewing = setInterval(() => {
      at += 1000
      utimesSync(folder, at / 1000, at / 1000)
    }, 50)
    await clearLockAhead(folder, 400)
    clearInterval(renewing)
    expect(existsSync(folder)).to.equal(true)
    await clearLockAhead(folder, 200)
    expect(existsSync(folder)).to.equal(false)
  })

  it('a lock that nobody may remove is told, and so is one that is held for too long: each once', async () => {
    await open({ maxPerKey: 1 })
    const long = new Date(Date.now() - HOUR)
    mkdirSync(`${path}.lock`)
    writeFileSync(join(`${path}.lock`, 'something'), '')
    utimesSync(`${path}.lock`, long, long)
    const error = await failure(engine.prune())
    expect(error.code).to.equal('STORE_LOCKED')
    expect(error.message).to.include(`${path}.lock`).and.include('ENOTEMPTY')

    const opener = createOpener(join(dirname(path), 'other.sqlite'), site(), null)
    const recovered: string[] = []
    const told = {
      report: (e: unknown) => reports.push(e),
      recovered: (code: string) => recovered.push(code),
    }
    const pruner = createPruner(opener, told, { interval: 20, longest: 100 })
    const codes = () => reports.map((e) => (e as FileSignalError).code)
    mkdirSync(`${opener.path}.lock`)
    const considering = setInterval(() => pruner.consider(), 5)
    await until(() => codes().length > 0, 'the report')
    await sleep(200)
    expect(codes()).to.deep.equal(['STORE_LOCKED'])
    utimesSync(`${opener.path}.lock`, long, long)
    await until(() => recovered.includes('STORE_LOCKED'), 'the recovery')
    clearInterval(considering)
    await pruner.stop()
    opener.close()
  })
})
