import { lstatSync, type Stats } from 'node:fs'
import { FileSignalError } from '../../errors.js'
import { type Cursor, type Hint, randomEpoch } from '../../event.js'
import { DEFAULT_RETENTION, type Retention } from '../../options.js'
import type { Head } from '../engine.js'
import type { Database, Statement } from './driver.js'
import type { Finding } from './schema/migrate.js'
import type { Tables } from './schema/tables.js'

/** One open store file, until it is found replaced. */
export interface Connection {
  readonly db: Database
  /** What our tables are called in it. */
  readonly tables: Tables
  /** True in an application's own database: its file is never repaired, moved or measured by us. */
  readonly isGuest: boolean
  /** Device and inode of the open file. */
  readonly inode: string
  /** True on a network disk. */
  readonly network: boolean
  /** Inode of the -wal file that belongs to this store, 0 where there is none. */
  readonly walInode: number
  /**
   * True where another file, or none, stands at the path now; throws `Damaged` where the file was
   * overwritten by a smaller one. Costs one lstat, 2 µs; opens nothing.
   */
  moved(): boolean
  head(): Head
  /** The head, and how far anything was pruned; one statement, for every page asks. */
  standing(): Standing
  epoch(): string
  /** Bytes in use: pages of the file that are not free. Of an application's database most are not ours. */
  bytes(): number
  /** What the store remembers, over the defaults. */
  retention(): Retention
  /** Runs a function in one transaction: all or nothing. */
  transaction<T>(begin: 'BEGIN' | 'BEGIN IMMEDIATE', fn: () => T): T
  prepare(sql: string): Statement
  getMeta(name: string): string | null
  setMeta(name: string, value: string): void
  close(): void
}

/** Where a store stands: `floor` is how far marks may have been folded away, `marked` the newest mark. */
export interface Standing {
  readonly head: Head
  readonly floor: number
  readonly marked: number
}

/** Thrown where only the main file is gone: what is left of it must be cleared under the lock first. */
export class Leftovers extends Error {}

/** Thrown where a store of ours is broken as soon as it is opened, or was overwritten while it was open. */
export class Damaged extends Error {
  constructor(
    readonly inode: string,
    cause: unknown,
  ) {
    super('the store is damaged', { cause })
  }
}

/** Prepares what every use of an open store needs. */
export function createConnection(
  db: Database,
  path: string,
  inode: string,
  network: boolean,
  { tables, isGuest }: Finding,
): Connection {
  const { events, meta, standing: standingTable } = tables
  const selectMeta = db.prepare(`SELECT value FROM ${meta} WHERE name = ?`)
  const replaceMeta = db.prepare(`INSERT OR REPLACE INTO ${meta} (name, value) VALUES (?, ?)`)
  // Another process's commit empties SQLite's page cache, so each table that is asked costs a read: ask two.
  const selectStanding = db.prepare(
    `SELECT seq AS n, epoch, start, floor, marked FROM ${standingTable}, sqlite_sequence WHERE name = '${events}'`,
  )
  const selectEpoch = db.prepare(`SELECT epoch FROM ${standingTable}`)
  const selectBytes = db.prepare(
    `SELECT (page_count - freelist_count) * page_size AS used
      FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  )
  const selectTotal = db.prepare(
    'SELECT page_count * page_size AS total FROM pragma_page_count, pragma_page_size',
  )
  let largest = 0
  const begins = { BEGIN: db.prepare('BEGIN'), 'BEGIN IMMEDIATE': db.prepare('BEGIN IMMEDIATE') }
  const commit = db.prepare('COMMIT')
  const getMeta = (name: string): string | null =>
    (selectMeta.get(name) as { value: string } | undefined)?.value ?? null
  const setMeta = (name: string, value: string): void => void replaceMeta.run(name, value)

  function moved(): boolean {
    const file = fileAt(path)
    if (identityOf(file) !== inode) return true
    const { size } = file as Stats
    // Another's damage is for him to find.
    if (!isGuest && size < largest) checkShrunk()
    largest = size
    return false
  }

  /** An older copy was written over the open file: its pages and those of the -wal fit no longer. VACUUM shrinks it too. */
  function checkShrunk(): void {
    const { total } = selectTotal.get() as { total: number }
    if (total >= largest) throw new Damaged(inode, null)
  }

  function standing(): Standing {
    const row = selectStanding.get() as Head & Omit<Standing, 'head'>
    const { n, epoch, start, floor, marked } = row
    return { head: { n, epoch, start }, floor, marked }
  }

  return {
    db,
    tables,
    isGuest,
    inode,
    network,
    walInode: lstatSync(`${path}-wal`, { throwIfNoEntry: false })?.ino ?? 0,
    moved,
    head: () => standing().head,
    standing,
    epoch: () => (selectEpoch.get() as { epoch: string }).epoch,
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

/** Gives the store a new epoch from its head on. Call it inside a write transaction. */
export function renew(connection: Connection, hint: Hint | null, start = connection.head().n): void {
  connection
    .prepare(`UPDATE ${connection.tables.standing} SET epoch = ?, start = ?`)
    .run(randomEpoch(), start)
  // A foreign writer's bare number carries no epoch that would outdate it: believe it once only.
  if (hint?.epoch === null) connection.setMeta('distrusted', String(hint.n))
}

/** True where a hint names a row above the store's head. A bare number is believed once only. */
export function isAhead(
  connection: Connection,
  hint: Hint | null,
  head: Cursor = connection.head(),
): boolean {
  if (hint === null || hint.n <= head.n) return false
  return hint.epoch === null ? connection.getMeta('distrusted') !== String(hint.n) : hint.epoch === head.epoch
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

/** Device and inode of the file at a path, '' where there is none. Throws PATH_UNSAFE. */
export function inodeOf(path: string): string {
  return identityOf(fileAt(path))
}

function fileAt(path: string): Stats | undefined {
  const file = lstatSync(path, { throwIfNoEntry: false })
  if (file && !file.isFile()) {
    throw new FileSignalError('PATH_UNSAFE', `"${path}" is not a regular file`)
  }
  return file
}

function identityOf(file: Stats | undefined): string {
  return file ? `${file.dev}:${file.ino}` : ''
}
