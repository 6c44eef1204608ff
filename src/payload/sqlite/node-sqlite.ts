import { pathToFileURL } from 'node:url'
import type { Database } from './driver.js'

/** The slice of `node:sqlite` that is used; its own type fits `Database` as it is. */
interface NodeSqlite {
  readonly DatabaseSync: new (path: string | URL) => Database
}

/**
 * Loads the SQLite inside Node; returns a function that opens an existing file.
 *
 * It waits for no lock unless told to, and throws where an integer is above 2^53, which the schema refuses.
 */
export function loadNodeSqlite(): (path: string) => Database {
  const { DatabaseSync } = withoutItsWarning(
    () => process.getBuiltinModule('node:sqlite') as unknown as NodeSqlite,
  )
  // Before 22.15 a file that is deleted just before it is opened is made again: the next look finds it moved.
  if (!takesUrls(DatabaseSync)) return (path) => new DatabaseSync(path)
  return (path) => new DatabaseSync(existing(path))
}

function takesUrls(DatabaseSync: NodeSqlite['DatabaseSync']): boolean {
  try {
    new DatabaseSync(new URL('file:///none?mode=memory')).close()
    return true
  } catch {
    return false
  }
}

/**
 * A file as node:sqlite opens it only where it is there: given a plain path it would create it, with rights that
 * nobody chose.
 */
export function existing(path: string): URL {
  const url = pathToFileURL(path)
  url.searchParams.set('mode', 'rw')
  return url
}

/**
 * Node 22 warns, once per process, that its SQLite is experimental. A cron job's owner, who did not choose it,
 * would get that as mail from every run; `stats()` tells which driver is used. Any other warning passes.
 */
function withoutItsWarning<T>(load: () => T): T {
  const { emitWarning } = process
  const filtered = (warning: string | Error, ...rest: unknown[]): void => {
    if (rest[0] === 'ExperimentalWarning' && String(warning).startsWith('SQLite')) return
    Reflect.apply(emitWarning, process, [warning, ...rest])
  }
  process.emitWarning = filtered
  try {
    return load()
  } finally {
    process.emitWarning = emitWarning
  }
}
