import { FileSignalError, quotePath } from '../../../errors.js'
import { randomEpoch } from '../../../event.js'
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
  /** True where our schema must be created, brought up to date, or made whole again. */
  readonly outdated: boolean
  /** True where nothing of ours is missing. */
  isWhole(db: Database): boolean
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
  if (isHost || GUEST_NAMES.some((name) => hasTable(db, name))) {
    return found(db, path, GUEST_TABLES, guestVersion(db))
  }
  if (pragma(db, 'application_id') === 0 && pragma(db, 'user_version') === 0 && isFree(db)) {
    return found(db, path, OWN_TABLES, 0)
  }
  throw new FileSignalError('STORE_FOREIGN', `${quotePath(path)} is another program’s database`)
}

/** True where the file says that it is a store of ours. */
export function isOurs(db: Database): boolean {
  return pragma(db, 'application_id') === APPLICATION_ID
}

/**
 * Brings the schema up to date, and makes again what is missing. True where something of ours was there before:
 * then rows may have gone unmarked, and the store needs a new epoch. Call it inside a write transaction.
 */
export function migrate(db: Database, { isGuest, tables }: Finding): boolean {
  const wasThere = hasTable(db, tables.standing) || hasTable(db, tables.events)
  const wasWhole = isComplete(db, tables)
  for (const schema of SCHEMAS) db.exec(schema(tables, randomEpoch()))
  db.exec(privateTables(tables))
  // Marks that somebody has deleted: any row up to there may have been pruned.
  db.exec(`UPDATE ${tables.standing} SET floor = marked WHERE NOT (${hasItsMarks(tables)})`)
  // The application's database keeps what it says of itself.
  if (isGuest) {
    db.exec(`INSERT OR REPLACE INTO ${tables.meta} (name, value) VALUES ('version', '${SCHEMAS.length}')`)
  } else db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMAS.length}`)
  return wasThere && !wasWhole
}

function found(db: Database, path: string, tables: Tables, version: number): Finding {
  if (version > SCHEMAS.length) {
    throw new FileSignalError(
      'STORE_NEWER',
      `${quotePath(path)} has schema ${version}, this version knows ${SCHEMAS.length}`,
    )
  }
  const isWhole = (at: Database): boolean =>
    isComplete(at, tables) &&
    [tables.writers, tables.claims, tables.sightings].every((name) => hasTable(at, name))
  const outdated = version < SCHEMAS.length || !isWhole(db)
  return { isGuest: tables === GUEST_TABLES, tables, outdated, isWhole }
}

/** True where the tables, indexes and triggers that other languages know are there, and the rows that they need. */
function isComplete(db: Database, tables: Tables): boolean {
  const { events, meta, standing, dedupes, pruned } = tables
  const names = [
    ...[events, meta, standing, dedupes, pruned],
    ...[`${events}_key`, `${pruned}_n`, `${events}_pruned`, `${events}_never_altered`],
  ]
  const list = names.map((name) => `'${name}'`).join(', ')
  const { count } = db
    .prepare(`SELECT count(*) AS count FROM sqlite_master WHERE name IN (${list})`)
    .get() as { count: number }
  if (count < names.length) return false
  const rows = db
    .prepare(
      `SELECT 1 FROM ${standing}, sqlite_sequence
        WHERE name = '${events}' AND epoch <> '' AND (${hasItsMarks(tables)})`,
    )
    .all()
  return rows.length > 0
}

/** SQL that is true where the newest mark is there, or folded into the floor. */
export function hasItsMarks({ pruned }: Tables): string {
  return `marked <= floor OR EXISTS (SELECT 1 FROM ${pruned} WHERE n = marked)`
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

/** Tables of ours by which a database is known that has taken us in, whichever of them is left. */
const GUEST_NAMES = [GUEST_TABLES.meta, GUEST_TABLES.standing, GUEST_TABLES.events]

/** True for an empty database, and for one put back from a dump, which tells no application_id: its tables are ours. */
function isFree(db: Database): boolean {
  const names = db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all() as { name: string }[]
  const own: string[] = Object.values(OWN_TABLES)
  const isOwn = ({ name }: { name: string }): boolean => own.includes(name) || name.startsWith('sqlite_')
  if (!names.every(isOwn)) return false
  return names.length === 0 ? isEmpty(db) : DUMPED.every((name) => hasTable(db, name))
}

/** Names that no other program's database has all of. */
const DUMPED = [
  OWN_TABLES.events,
  OWN_TABLES.standing,
  OWN_TABLES.pruned,
  `${OWN_TABLES.events}_never_altered`,
]

function isEmpty(db: Database): boolean {
  return db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined
}
