import { FileSignalError, quote } from '../../errors.js'
import type { DriverStats } from '../engine.js'
import type { Database, Statement } from './driver.js'
import { existing } from './node-sqlite.js'

/**
 * An open database of the application's: better-sqlite3's `Database`, or `DatabaseSync` of node:sqlite (Node 22.16
 * and later).
 */
export interface SqliteHandle {
  prepare(sql: string): object
  exec(sql: string): unknown
}

/** The application's database, in which our tables are guests. */
export interface Host {
  /** Absolute, as SQLite itself tells it. */
  readonly path: string
  /** The application's own connection; its statements give numbers, whatever the application has set. */
  readonly db: Database
  /** True while the application has a transaction of its own open. */
  isInTransaction(): boolean
  /** Another connection, by the same copy of SQLite: two copies in one process drop each other's locks. */
  open(path: string): Database
  readonly driver: DriverStats
}

/** What is used of a handle, beside what every driver has. */
interface Handle extends Database {
  readonly inTransaction?: boolean
  readonly isTransaction?: boolean
  readonly readonly?: boolean
}

type Constructor = new (path: string | URL, options?: object) => Database

/**
 * Makes sure that a handle can be used, and reads no file.
 *
 * Throws OPTION_INVALID for what is no handle, for one that is closed or read-only, for a database in memory,
 * and for a node:sqlite that cannot tell whether a transaction is open.
 */
export function hostOf(given: SqliteHandle): Host {
  const handle = toHandle(given)
  const isBetter = typeof handle.inTransaction === 'boolean'
  const path = fileOf(handle)
  if (!isBetter && typeof handle.isTransaction !== 'boolean') {
    throw refused('cannot tell whether a transaction is open', 'use better-sqlite3, or Node 22.16 or later')
  }
  if (path === '') throw refused('is in memory or temporary', 'open a file, or leave the option database out')
  if (handle.readonly) throw refused('is read-only', 'open it for writing')
  const Driver = driverOf(handle)
  return {
    path,
    db: { prepare: (sql) => plain(handle.prepare(sql)), exec: (sql) => handle.exec(sql), close: () => {} },
    isInTransaction: () => isOpenTransaction(handle),
    // As everywhere, SQLite's own waiting for a lock is off.
    open: (at) => (isBetter ? new Driver(at, { timeout: 0, fileMustExist: true }) : new Driver(existing(at))),
    driver: driverStats(handle, isBetter),
  }
}

function toHandle(given: unknown): Handle {
  const handle = given as Partial<Handle> | null
  if (typeof handle?.prepare === 'function' && typeof handle.exec === 'function') return handle as Handle
  throw new FileSignalError('OPTION_INVALID', `sqlite database is ${quote(given)}`, {
    remedy: 'use an absolute path, or an open Database of better-sqlite3 or node:sqlite',
  })
}

function fileOf(handle: Handle): string {
  try {
    const list = plain(handle.prepare('PRAGMA database_list')).all() as { name: string; file: string }[]
    return list.find(({ name }) => name === 'main')?.file ?? ''
  } catch (cause) {
    throw refused('is closed or cannot be read', 'open it first, and close it last', cause)
  }
}

function refused(why: string, remedy: string, cause?: unknown): FileSignalError {
  return new FileSignalError('OPTION_INVALID', `the database given to sqlite() ${why}`, { remedy, cause })
}

/** The library's own class: a class derived from it may open something else. */
function driverOf(handle: Handle): Constructor {
  let found: Constructor | null = null
  for (let at: object | null = Object.getPrototypeOf(handle); at; at = Object.getPrototypeOf(at)) {
    if (Object.hasOwn(at, 'prepare')) found = at.constructor as Constructor
  }
  return found ?? (handle.constructor as Constructor)
}

function driverStats(handle: Handle, isBetter: boolean): DriverStats {
  const row = plain(handle.prepare('SELECT sqlite_version() AS version')).get()
  const version = `SQLite ${(row as { version: string }).version}`
  return { name: isBetter ? 'better-sqlite3' : 'node:sqlite', version, reason: 'the application’s own' }
}

function isOpenTransaction(handle: Handle): boolean {
  try {
    return handle.inTransaction ?? handle.isTransaction ?? false
  } catch {
    // It was closed: whatever was open in it is over.
    return false
  }
}

/** The ways in which an application may have changed what all its statements return. */
interface Changed extends Statement {
  safeIntegers?(on: boolean): unknown
  setReadBigInts?(on: boolean): unknown
  setReturnArrays?(on: boolean): unknown
}

function plain(statement: Statement): Statement {
  const changed = statement as Changed
  changed.safeIntegers?.(false)
  changed.setReadBigInts?.(false)
  changed.setReturnArrays?.(false)
  return changed
}
