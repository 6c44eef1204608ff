import { shared } from '../../commons.js'
import { FileSignalError } from '../../errors.js'
import { loadLibrary } from '../../library.js'
import {
  chooseSqlite,
  loadFailed,
  type SqliteChoice,
  type SqliteDriver,
  withoutBetterSqlite3,
} from './driver-choice.js'
import { type InstalledDriver, inspectSqlite } from './driver-facts.js'
import { loadNodeSqlite } from './node-sqlite.js'

/** The slice of a SQLite driver that the store uses; better-sqlite3 and node:sqlite fit it as they are. */
export interface Database {
  prepare(sql: string): Statement
  exec(sql: string): unknown
  close(): void
}

export interface Statement {
  run(...values: SqlValue[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

export type SqlValue = string | number | null

/** The driver in use; `reason` says why it is not better-sqlite3, null where it is. */
export interface LoadedDriver {
  readonly name: SqliteDriver
  readonly version: string
  readonly reason: string | null
  /** Opens an existing file. */
  readonly open: (path: string) => Database
}

/**
 * Opens an existing SQLite file. Throws SQLITE_MISSING, or the driver's own error.
 *
 * The busy timeout is 0: SQLite's own waiting sleeps on the event loop and freezes every stream.
 */
export function openDatabase(path: string): Database {
  return loadedDriver().open(path)
}

/**
 * Loads the driver at first use, so that importing file-signal needs no native code. All copies of this package in the
 * process use the driver of the first: two copies of SQLite on one file drop each other's locks. Throws SQLITE_MISSING
 * and COPIES_DIFFER.
 */
export function loadedDriver(): LoadedDriver {
  return shared('driver', loadDriver)
}

function loadDriver(): LoadedDriver {
  const facts = inspectSqlite()
  const choice = chooseSqlite(facts)
  if (choice.driver !== 'better-sqlite3') return loadSecond(choice)
  try {
    return { name: choice.driver, version: choice.version as string, reason: null, open: loadBetterSqlite3() }
  } catch (cause) {
    const obstacle = loadFailed(facts.betterSqlite3 as InstalledDriver, cause)
    return loadSecond(withoutBetterSqlite3(facts, obstacle), { cause })
  }
}

function loadSecond({ driver, version, reason, remedy }: SqliteChoice, cause: object = {}): LoadedDriver {
  if (driver === null) {
    throw new FileSignalError('SQLITE_MISSING', reason as string, { ...cause, remedy: remedy as string })
  }
  return { name: driver, version: version as string, reason, open: loadNodeSqlite() }
}

type BetterSqlite3 = new (path: string, options?: { timeout: number; fileMustExist: boolean }) => Database

function loadBetterSqlite3(): (path: string) => Database {
  const Constructor = loadLibrary('better-sqlite3') as BetterSqlite3
  // Its native part is loaded with the first database: better now, while there is another driver to turn to.
  new Constructor(':memory:').close()
  return (path) => new Constructor(path, { timeout: 0, fileMustExist: true })
}
