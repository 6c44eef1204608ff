import { randomEpoch } from '../../event.js'
import { DEFAULT_RETENTION, type Retention } from '../../options.js'
import type { Head } from '../engine.js'
import type { Database, Statement } from './driver.js'
import type { StoreFiles } from './files.js'
import { Damaged, Incomplete } from './obstacles.js'
import { type Finding, hasItsMarks } from './schema/migrate.js'
import type { Tables } from './schema/tables.js'

/** One open store file, until it is found replaced. */
export interface Connection {
  readonly db: Database
  /** Names of our tables in it. */
  readonly tables: Tables
  /** True in an application's own database: its file is never repaired, moved or measured by us. */
  readonly isGuest: boolean
  /** True on a network disk. */
  readonly network: boolean
  readonly files: StoreFiles
  head(): Head
  /** The head, and how far anything was pruned; one statement, for every page asks. Throws `Incomplete`. */
  standing(): Standing
  epoch(): string
  /** Identity of the row with a number; null where there is none. */
  rowAt(n: number): RowMark | null
  /** Newest pruned row number of a key, 0 for none. */
  markOf(key: string): number
  /** Throws `Incomplete` where a table, an index, a trigger or marks of ours have gone since the last call. */
  checkSchema(): void
  /** Throws `Damaged` where SQLite does not find its pages in order. Reads the whole file, but for large payloads. */
  check(): void
  /** As `check`, where the file has become smaller than its pages need, as VACUUM and a checkpoint do not leave it. */
  checkSize(): void
  /** Bytes in use: pages of the file that are not free. Of an application's database most are not ours. */
  bytes(): number
  /** The store's own limits, over the defaults. */
  retention(): Retention
  /** Runs a function in one transaction: all or nothing. */
  transaction<T>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', fn: () => T): T
  prepare(sql: string): Statement
  getMeta(name: string): string | null
  setMeta(name: string, value: string): void
  close(): void
}

/** Place of a store: `floor` is how far marks may have been folded away, `marked` the newest mark. */
export interface Standing {
  readonly head: Head
  readonly floor: number
  readonly marked: number
}

/** What tells a row from another one that was once given the same number. */
export interface RowMark {
  readonly key: string
  readonly createdAt: number
}

/** Prepares what every use of an open store needs. */
export function createConnection(
  db: Database,
  files: StoreFiles,
  network: boolean,
  { tables, isGuest, isWhole }: Finding,
): Connection {
  const { events, meta, pruned, standing: standingTable } = tables
  const selectMeta = db.prepare(`SELECT value FROM ${meta} WHERE name = ?`)
  const replaceMeta = db.prepare(`INSERT OR REPLACE INTO ${meta} (name, value) VALUES (?, ?)`)
  // Another process's commit empties SQLite's page cache, so each table that is asked costs a read: ask two.
  const selectStanding = db.prepare(
    `SELECT seq AS n, epoch, start, floor, marked FROM ${standingTable}, sqlite_sequence WHERE name = '${events}'`,
  )
  const selectRow = db.prepare(`SELECT key, created_at AS createdAt FROM ${events} WHERE id = ?`)
  const selectMark = db.prepare(`SELECT n FROM ${pruned} WHERE key = ?`)
  const selectBytes = db.prepare(
    `SELECT (page_count - freelist_count) * page_size AS used
      FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  )
  const selectTotal = db.prepare(
    'SELECT page_count * page_size AS total FROM pragma_page_count, pragma_page_size',
  )
  const selectMarks = db.prepare(`SELECT 1 FROM ${standingTable} WHERE ${hasItsMarks(tables)}`)
  const selectVersion = db.prepare('PRAGMA schema_version')
  let schemaVersion = -1
  const begins = { BEGIN: db.prepare('BEGIN'), 'BEGIN IMMEDIATE': db.prepare('BEGIN IMMEDIATE') }
  const commit = db.prepare('COMMIT')
  const getMeta = (name: string): string | null =>
    (selectMeta.get(name) as { value: string } | undefined)?.value ?? null
  const setMeta = (name: string, value: string): void => void replaceMeta.run(name, value)

  function standing(): Standing {
    const row = selectStanding.get() as (Head & Omit<Standing, 'head'>) | undefined
    if (!row) throw new Incomplete('the rows that the store keeps about itself are gone')
    const { n, epoch, start, floor, marked } = row
    return { head: { n, epoch, start }, floor, marked }
  }

  function check(): void {
    const { quick_check: verdict } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string }
    if (verdict !== 'ok') throw new Damaged(files.inode, new Error(verdict))
  }

  /** An older copy may have been written over the open file, whose pages then do not fit those of the -wal. */
  function checkSize(): void {
    const size = files.shrunkTo()
    // Another's damage is for him to find.
    if (size === null || isGuest) return
    const { total } = selectTotal.get() as { total: number }
    if (total > size) check()
  }

  function checkSchema(): void {
    if (selectMarks.get() === undefined) throw new Incomplete('marks of the store are gone')
    const { schema_version: version } = selectVersion.get() as { schema_version: number }
    if (version === schemaVersion) return
    if (schemaVersion !== -1 && !isWhole(db)) throw new Incomplete('tables of the store are gone')
    schemaVersion = version
  }

  return {
    db,
    tables,
    isGuest,
    network,
    files,
    head: () => standing().head,
    standing,
    epoch: () => standing().head.epoch,
    rowAt: (n) => (selectRow.get(n) as RowMark | undefined) ?? null,
    markOf: (key) => (selectMark.get(key) as { n: number } | undefined)?.n ?? 0,
    checkSchema,
    check,
    checkSize,
    bytes: () => {
      const { used } = selectBytes.get() as { used: number }
      return used
    },
    retention: () => {
      const kept = JSON.parse(getMeta('retention') ?? '{}', unlimited) as Partial<Retention>
      return { ...DEFAULT_RETENTION, ...kept }
    },
    transaction: (begin, fn) => {
      begins[begin].run()
      try {
        const result = fn()
        commit.run()
        return result
      } catch (error) {
        rollback(db)
        throw error
      }
    },
    prepare: (sql) => db.prepare(sql),
    getMeta,
    setMeta,
    close: () => db.close(),
  }
}

/** Numbers that are skipped where some may have been given out unseen: far more than any crash can take back. */
export const GAP = 1_000_000

/**
 * Gives the store a new epoch, which begins above its own numbers, those of its marks, and `above`: numbers never go
 * back, so that whoever stands higher knows this epoch for a newer one. Call it inside a write transaction.
 */
export function renew(connection: Connection, above: number): void {
  const { events, standing, pruned } = connection.tables
  const { head, floor, marked } = connection.standing()
  const { newest } = connection
    .prepare(
      `SELECT max(coalesce((SELECT max(id) FROM ${events}), 0), coalesce((SELECT max(n) FROM ${pruned}), 0)) AS newest`,
    )
    .get() as { newest: number }
  const start = Math.max(head.n, newest, floor, marked, above) + GAP
  connection.prepare(`UPDATE sqlite_sequence SET seq = ? WHERE name = '${events}'`).run(start)
  connection.prepare(`UPDATE ${standing} SET epoch = ?, start = ?`).run(randomEpoch(head.epoch), start)
}

function unlimited(_name: string, value: unknown): unknown {
  return value === false ? Number.POSITIVE_INFINITY : value
}

function rollback(db: Database): void {
  try {
    db.exec('ROLLBACK')
  } catch {
    // SQLite has rolled back by itself, as it does when the disk is full.
  }
}
