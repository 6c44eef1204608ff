import { FileSignalError, quotePath } from '../../../errors.js'
import type { Database } from '../driver.js'
import { schema001 } from './001-events.js'
import { privateTables } from './private.js'
import { GUEST_TABLES, OWN_TABLES, type Tables } from './tables.js'

/** 'FSig', at byte 68 of every store of our own: tells it from any other SQLite database. */
export const APPLICATION_ID = 0x46536967

/** Schemas in their order; a store counts those it has. Never edit one that was released. */
const SCHEMAS = [schema001]

/** What a database is to us. */
export interface Finding {
  /** True for an application's own database, in which our tables are guests. */
  readonly isGuest: boolean
  readonly tables: Tables
  /** True where our schema must be created or brought up to date. */
  readonly outdated: boolean
}

/**
 * Looks whether a database is ours, is free to become ours, or has taken us in as guests; with `isHost` the
 * application has handed it over, so that we may move in. Read it in one snapshot.
 *
 * Throws STORE_FOREIGN, STORE_NEWER.
 */
export function inspect(db: Database, path: string, isHost: boolean): Finding {
  const isOwn = isOurs(db)
  if (isOwn && isHost) {
    throw new FileSignalError('STORE_FOREIGN', `${quotePath(path)} is a store of file-signal’s own`, {
      remedy: 'hand over the application’s own database, or leave the option database out',
    })
  }
  if (isOwn) return found(db, path, OWN_TABLES, pragma(db, 'user_version'))
  if (isHost || hasTable(db, GUEST_TABLES.meta)) return found(db, path, GUEST_TABLES, guestVersion(db))
  if (pragma(db, 'application_id') === 0 && pragma(db, 'user_version') === 0 && isEmpty(db)) {
    return { isGuest: false, tables: OWN_TABLES, outdated: true }
  }
  throw new FileSignalError('STORE_FOREIGN', `${quotePath(path)} is another program’s database`)
}

/** True where the file says that it is a store of ours. */
export function isOurs(db: Database): boolean {
  return pragma(db, 'application_id') === APPLICATION_ID
}

/** Brings the schema up to date. Call it inside a write transaction. */
export function migrate(db: Database, { isGuest, tables }: Finding): void {
  const version = isGuest ? guestVersion(db) : pragma(db, 'user_version')
  for (const schema of SCHEMAS.slice(version)) db.exec(schema(tables))
  db.exec(privateTables(tables))
  // The application's database keeps what it says of itself.
  if (isGuest) {
    db.exec(`INSERT OR REPLACE INTO ${tables.meta} (name, value) VALUES ('version', '${SCHEMAS.length}')`)
  } else db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMAS.length}`)
}

function found(db: Database, path: string, tables: Tables, version: number): Finding {
  if (version > SCHEMAS.length) {
    throw new FileSignalError(
      'STORE_NEWER',
      `${quotePath(path)} has schema ${version}, this version knows ${SCHEMAS.length}`,
    )
  }
  const outdated = version < SCHEMAS.length || !hasTable(db, tables.writers)
  return { isGuest: tables === GUEST_TABLES, tables, outdated }
}

function guestVersion(db: Database): number {
  if (!hasTable(db, GUEST_TABLES.meta)) return 0
  const row = db.prepare(`SELECT value FROM ${GUEST_TABLES.meta} WHERE name = 'version'`).get()
  return Number((row as { value: string } | undefined)?.value ?? 0)
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
