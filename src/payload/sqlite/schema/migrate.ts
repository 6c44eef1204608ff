import { FileSignalError, quotePath } from '../../../errors.js'
import type { Database } from '../driver.js'
import { schema001 } from './001-events.js'
import { privateTables } from './private.js'
import type { Tables } from './tables.js'

/** 'FSig', at byte 68 of every store: tells our file from any other SQLite database. */
export const APPLICATION_ID = 0x46536967

/** Schemas in their order; a store's `user_version` counts those it has. Never edit one that was released. */
const SCHEMAS = [schema001]

/**
 * Looks whether a database is ours, or free to become ours.
 *
 * Returns true where the schema must be created or brought up to date. Throws STORE_FOREIGN, STORE_NEWER.
 */
export function needsMigration(db: Database, path: string, tables: Tables): boolean {
  const application = pragma(db, 'application_id')
  const version = pragma(db, 'user_version')
  if (application !== APPLICATION_ID) {
    if (application === 0 && version === 0 && isEmpty(db)) return true
    throw new FileSignalError('STORE_FOREIGN', `${quotePath(path)} is another program’s database`)
  }
  if (version > SCHEMAS.length) {
    throw new FileSignalError(
      'STORE_NEWER',
      `${quotePath(path)} has schema ${version}, this version knows ${SCHEMAS.length}`,
    )
  }
  return version < SCHEMAS.length || !hasTable(db, tables.writers)
}

/** True where the file says that it is a store of ours, be it readable or not. */
export function isOurs(db: Database): boolean {
  try {
    return pragma(db, 'application_id') === APPLICATION_ID
  } catch {
    return false
  }
}

/** Brings the schema up to date. Call it inside a write transaction. */
export function migrate(db: Database, tables: Tables): void {
  for (const schema of SCHEMAS.slice(pragma(db, 'user_version'))) db.exec(schema(tables))
  db.exec(privateTables(tables))
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMAS.length}`)
}

function pragma(db: Database, name: 'application_id' | 'user_version'): number {
  const row = db.prepare(`PRAGMA ${name}`).get() as Record<typeof name, number>
  return row[name]
}

function hasTable(db: Database, name: string): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master WHERE name = ?').get(name) !== undefined
}

function isEmpty(db: Database): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined
}
