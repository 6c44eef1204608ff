import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { attempt } from '../../attempt.js'
import { FileSignalError, quotePath } from '../../errors.js'
import { lookAt, makeFile, makeFolder } from '../../folders.js'
import { networkOf } from '../../network-disk.js'
import type { Retention } from '../../options.js'
import type { PayloadSite } from '../engine.js'
import { type Connection, createConnection, GAP } from './connection.js'
import { type Database, openDatabase } from './driver.js'
import { isDamage, isUnshared, noteCause } from './fault.js'
import { createFiles, inodeOf } from './files.js'
import { isAhead, renewAbove } from './history.js'
import type { Host } from './host.js'
import { Damaged, Leftovers } from './obstacles.js'
import { isForeignWal, noteOwner } from './owner.js'
import { putBack, type Rescued } from './rescue.js'
import { type Finding, inspect, isOurs, migrate } from './schema/migrate.js'

/**
 * Opens the store, creating it where nothing stands, and settles whether it is still the one it was:
 * a copy put in its place, or one that stands below the newest signal, gets a new epoch.
 *
 * Rows that were rescued from a connection on files that are gone are put back first.
 *
 * As a guest (in the database of `host`, or with `wasGuest` in one that is known as an application's) it makes
 * and clears no files: what is gone throws STORE_FAILED.
 *
 * Synchronous and never waiting: a busy store throws SQLITE_BUSY, a half-deleted one `Leftovers`.
 * Otherwise throws STORE_FOREIGN, STORE_NEWER, STORE_UNWRITABLE, STORE_FULL, PATH_UNSAFE or the driver's error.
 */
export function connect(
  path: string,
  site: PayloadSite,
  { host, wasGuest, rescued, onPutBack }: Entry,
): Connected {
  if (!host && !wasGuest) makeReady(path, site)
  const before = inodeOf(path)
  if (before === '') throw gone(path)
  const open = (): Database => (host?.open ?? openDatabase)(path)
  let db = open()
  try {
    let prepared: Prepared
    try {
      prepared = prepareStore(db, path, before, host !== null)
    } catch (error) {
      if (host || wasGuest || !isUnshared(error, path)) throw error
      db.close()
      db = open()
      prepared = prepareAlone(db, path, before, error)
    }
    const { finding, mode, isMended, isWeak } = prepared
    if (inodeOf(path) !== before) throw finding.isGuest ? gone(path) : new Leftovers(path)
    const files = createFiles(path, before, mode === 'wal')
    if (mode === 'wal' && (files.wal === 0 || files.shm === 0)) throw finding.isGuest ? gone(path) : torn()
    const connection = createConnection(db, files, isWeak, finding)
    connection.checkSchema()
    if (rescued.length > 0) onPutBack(putBack(connection, rescued))
    const isRenewed = settle(connection, before, site, isMended)
    if (mode === 'wal' && !finding.isGuest) noteOwner(path, site)
    return { connection, isRenewed }
  } catch (error) {
    noteCause(error, path)
    const damaged = isDamage(error) && host === null && saysItIsOurs(db)
    db.close()
    throw damaged ? new Damaged(before, error) : error
  }
}

/** What is known before a store is opened. */
export interface Entry {
  readonly host: Host | null
  readonly wasGuest: boolean
  /** Rows of a connection that was no longer on the store's files. */
  readonly rescued: Rescued
  /** Told how many of them have been put back, and are safe, whatever fails behind. */
  readonly onPutBack: (restored: number) => void
}

export interface Connected {
  readonly connection: Connection
  /** True where a store that was there before has got a new epoch. */
  readonly isRenewed: boolean
}

/** Makes folder and file where they are missing. */
function makeReady(path: string, site: PayloadSite): void {
  makeFolder(dirname(path), { ...site, mayBeLink: true })
  const leftovers = [lookAt(`${path}-wal`), lookAt(`${path}-shm`)]
  if (lookAt(path) !== null) {
    if (isForeignWal(path)) throw new Leftovers(path)
    return
  }
  if (leftovers.some((file) => file !== null)) throw new Leftovers(path)
  makeFile(path, site)
}

/** A side file was unlinked while the store was being opened: it is opened once more. */
function torn(): Error {
  return Object.assign(new Error('a side file is gone'), { code: 'SQLITE_BUSY' })
}

/** An application's database that is not where it was is the application's business. */
export function gone(path: string): FileSignalError {
  return new FileSignalError(
    'STORE_FAILED',
    `the application’s database ${quotePath(path)} is gone or replaced`,
    {
      remedy: 'put it back without the -wal and -shm files of another, and open it anew in every process',
    },
  )
}

function saysItIsOurs(db: Database): boolean {
  try {
    return isOurs(db)
  } catch {
    return false
  }
}

/** What a store was found to be; weak where it is kept with a rollback journal, for its disk bears no WAL. */
interface Prepared {
  readonly finding: Finding
  readonly isWeak: boolean
  /** The journal mode. */
  readonly mode: string
  /** True where tables or rows of ours were missing, and rows may be gone that were never marked. */
  readonly isMended: boolean
}

/**
 * Does without the shared memory of WAL where it turns out that a disk has none, whatever its type. Locked for this
 * connection alone SQLite needs none, and can leave WAL; the store remembers, so that nobody tries again in this place.
 */
function prepareAlone(db: Database, path: string, place: string, obstacle: unknown): Prepared {
  db.exec('PRAGMA locking_mode = EXCLUSIVE')
  if (inspect(db, path, false).isGuest) throw obstacle
  db.exec('PRAGMA journal_mode = DELETE')
  db.exec('BEGIN IMMEDIATE')
  try {
    const finding = inspect(db, path, false)
    if (finding.outdated) migrate(db, finding)
    db.prepare(`INSERT OR REPLACE INTO ${finding.tables.meta} (name, value) VALUES (?, ?)`).run(
      WITHOUT_WAL,
      inodeNumber(place),
    )
    db.exec('COMMIT')
  } catch (error) {
    // SQLite may have rolled back by itself, as it does where the disk is full.
    attempt(() => db.exec('ROLLBACK'))
    throw error
  }
  // The next read gives the lock back.
  db.exec('PRAGMA locking_mode = NORMAL')
  return { ...prepareStore(db, path, place, false), isWeak: true }
}

/** What `meta` calls the inode of a store that was found to be on a disk without shared memory. */
const WITHOUT_WAL = 'without_wal'

function isWithoutWal(db: Database, { outdated, tables }: Finding, place: string): boolean {
  if (outdated) return false
  const row = db.prepare(`SELECT value FROM ${tables.meta} WHERE name = ?`).get(WITHOUT_WAL)
  return (row as { value: string } | undefined)?.value === inodeNumber(place)
}

/** Without the device: its number may change with a reboot. */
function inodeNumber(place: string): string {
  return place.split(':')[1] ?? ''
}

/** Brings settings and schema up to date; an application's own settings stay as they are. */
function prepareStore(db: Database, path: string, place: string, isHost: boolean): Prepared {
  // One snapshot: another process may create the store between two looks, which then seem to be of another's.
  db.exec('BEGIN')
  const finding = inspect(db, path, isHost)
  db.exec('COMMIT')
  const { journal_mode: current } = db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }
  const isWeak = networkOf(path) !== null || (current !== 'wal' && isWithoutWal(db, finding, place))
  const mode = finding.isGuest ? current : isWeak ? 'delete' : 'wal'
  // Before anything is written, or it means nothing: so that pruning can give pages back a few at a time. Costs a
  // signal() 1 to 4 % of its CPU time with 120 bytes, 8 % with 2,000: a page that tells where pages belong is written, too.
  if (finding.outdated && mode === 'wal' && !finding.isGuest) db.exec('PRAGMA auto_vacuum = INCREMENTAL')
  if (current !== mode) db.exec(`PRAGMA journal_mode = ${mode}`)
  // Without a boot id nothing tells that the machine crashed, so nothing may be rolled back.
  const synchronous = bootId() === null || mode !== 'wal' ? 'FULL' : 'NORMAL'
  db.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = OFF`)
  if (!finding.isGuest) db.exec('PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608')
  if (!finding.outdated) return { finding, isWeak, mode, isMended: false }
  db.exec('BEGIN IMMEDIATE')
  try {
    const latest = inspect(db, path, isHost)
    const isMended = latest.outdated && migrate(db, latest)
    db.exec('COMMIT')
    return { finding: latest, isWeak, mode, isMended }
  } catch (error) {
    // SQLite may have rolled back by itself, as it does where the disk is full.
    attempt(() => db.exec('ROLLBACK'))
    throw error
  }
}

/** Compares what the store remembers with what is true now; writes only where they differ. True for a new epoch. */
function settle(connection: Connection, place: string, site: PayloadSite, isMended: boolean): boolean {
  const { retention } = site
  const hint = site.newestSignal()
  const boot = bootId()
  // Network disks make inodes up as they like.
  const inode = connection.network ? 'network' : inodeNumber(place)
  const isSameFile = (): boolean => connection.getMeta('inode') === inode
  const isBehind = (): boolean => isAhead(connection, hint, connection.head())
  const isSameBoot = (): boolean => boot === null || connection.getMeta('boot') === boot
  const isSameRetention = (): boolean =>
    retention === null || connection.getMeta('retention') === keptRetention(retention)
  if (!isMended && isSameFile() && !isBehind() && isSameBoot() && isSameRetention()) return false

  return connection.transaction('BEGIN IMMEDIATE', () => {
    const isNew = connection.getMeta('inode') === null && !isMended
    if (boot !== null && !isSameBoot()) {
      if (connection.getMeta('boot') !== null) skipNumbers(connection)
      connection.setMeta('boot', boot)
    }
    const isReplaced = isMended || (!isNew && !isSameFile()) || isBehind()
    // Above all numbers that were signalled here, also by a store that stood here before.
    if (isReplaced) renewAbove(connection, hint, 0)
    if (!isSameFile()) connection.setMeta('inode', inode)
    if (retention !== null && !isSameRetention()) {
      connection.setMeta('retention', keptRetention(retention))
      connection.setMeta('counted', '0')
    }
    return isReplaced && !isNew
  })
}

/** Rows that readers have seen may be gone after a crash of the machine: their numbers must not come again. */
function skipNumbers(connection: Connection): void {
  const { events } = connection.tables
  connection.prepare(`UPDATE sqlite_sequence SET seq = seq + ${GAP} WHERE name = '${events}'`).run()
}

function keptRetention(retention: Partial<Retention>): string {
  return JSON.stringify(retention, limited)
}

/** JSON has no Infinity, which is how a lifted limit is kept. */
function limited(_name: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? false : value
}

let boot: string | null | undefined

/** Names this run of the machine; null where the system has no such thing. */
function bootId(): string | null {
  if (boot === undefined) {
    try {
      boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
    } catch {
      boot = null
    }
  }
  return boot
}
