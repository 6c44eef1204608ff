import { createRequire } from 'node:module'
import { FileSignalError } from '../../errors.js'

/** The slice of a SQLite driver that the store uses; better-sqlite3 fits it as it is. */
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

type Constructor = new (path: string, options: { timeout: number; fileMustExist: boolean }) => Database

const require = createRequire(import.meta.url)
let loaded: Constructor | null = null

/**
 * Opens an existing SQLite file. Throws SQLITE_MISSING, or the driver's own error.
 *
 * The busy timeout is 0: SQLite's own waiting sleeps on the event loop and freezes every stream.
 */
export function openDatabase(path: string): Database {
  loaded ??= loadDriver()
  return new loaded(path, { timeout: 0, fileMustExist: true })
}

/** Loaded at first use, so that importing file-signal needs no native code. */
function loadDriver(): Constructor {
  const major = installedMajor()
  if (major === null) {
    throw new FileSignalError('SQLITE_MISSING', 'better-sqlite3 is not installed')
  }
  // better-sqlite3 13 kills a Node with an older Node-API by SIGSEGV at the first open: nothing can catch that.
  if (major >= 13 && Number(process.versions.napi) < 10) {
    throw new FileSignalError(
      'SQLITE_MISSING',
      `better-sqlite3 ${major} would crash Node ${process.versions.node}`,
    )
  }
  try {
    return require('better-sqlite3') as Constructor
  } catch (cause) {
    throw new FileSignalError('SQLITE_MISSING', `better-sqlite3 cannot be loaded (${firstLine(cause)})`, {
      cause,
      remedy: `run: npm rebuild better-sqlite3 (npm may have to be told to run its install script: npm install-scripts approve better-sqlite3), or npm install better-sqlite3@12`,
    })
  }
}

function installedMajor(): number | null {
  try {
    const { version } = require('better-sqlite3/package.json') as { version: string }
    return Number.parseInt(version, 10)
  } catch {
    return null
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? ''
}
