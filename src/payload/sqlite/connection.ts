import { lstatSync, readFileSync, type Stats, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { FileSignalError, quotePath } from '../../errors.js'
import { type Cursor, type Hint, randomEpoch } from '../../event.js'
import { lookAt, makeFile, makeFolder } from '../../folders.js'
import { DEFAULT_RETENTION, type Retention } from '../../options.js'
import type { Head, PayloadSite } from '../engine.js'
import { type Database, openDatabase, type Statement } from './driver.js'
import { isDamage } from './fault.js'
import { weightOf } from './guest-bytes.js'
import type { Host } from './host.js'
import { type Finding, inspect, isOurs, migrate } from './schema/migrate.js'
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
  /** Bytes in use: pages of the file that are not free; as a guest what our own events weigh, which takes a scan. */
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

/** NFS, SMB (three kinds) and FUSE: WAL needs memory shared by all readers, which only one machine has. */
const NETWORK_TYPES = new Set([0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x65735546])
/** What a crash of the machine may have rolled back is far less than this. */
const REBOOT_GAP = 1_000_000

/**
 * Opens the store, creating it where nothing stands, and settles whether it is still the one it was:
 * a copy put in its place, or one that stands below the newest signal, gets a new epoch.
 *
 * As a guest (in the database of `host`, or with `wasGuest` in one that is known as an application's) it makes
 * and clears no files: what is gone throws STORE_FAILED.
 *
 * Synchronous and never waiting: a busy store throws SQLITE_BUSY, a half-deleted one `Leftovers`.
 * Otherwise throws STORE_FOREIGN, STORE_NEWER, STORE_UNWRITABLE, STORE_FULL, PATH_UNSAFE or the driver's error.
 */
export function connect(path: string, site: PayloadSite, host: Host | null, wasGuest: boolean): Connection {
  if (!host && !wasGuest) makeReady(path, site)
  const before = inodeOf(path)
  if (before === '') throw gone(path)
  const db = (host?.open ?? openDatabase)(path)
  try {
    const network = NETWORK_TYPES.has(statfsSync(dirname(path)).type)
    const finding = prepareStore(db, path, network, host !== null)
    if (inodeOf(path) !== before) throw finding.isGuest ? gone(path) : new Leftovers(path)
    const connection = createConnection(db, path, before, network, finding)
    settle(connection, before, site)
    return connection
  } catch (error) {
    const damaged = isDamage(error) && host === null && saysItIsOurs(db)
    db.close()
    throw damaged ? new Damaged(before, error) : error
  }
}

/** Makes folder and file where they are missing. */
function makeReady(path: string, site: PayloadSite): void {
  makeFolder(dirname(path), site)
  const leftovers = [lookAt(`${path}-wal`), lookAt(`${path}-shm`)]
  if (lookAt(path) !== null) return
  if (leftovers.some((file) => file !== null)) throw new Leftovers(path)
  makeFile(path, site)
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

function prepareStore(db: Database, path: string, network: boolean, isHost: boolean): Finding {
  // One snapshot: another process may create the store between two looks, which then seem to be of another's.
  db.exec('BEGIN')
  const finding = inspect(db, path, isHost)
  db.exec('COMMIT')
  const { journal_mode: current } = db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }
  const mode = finding.isGuest ? current : network ? 'delete' : 'wal'
  if (current !== mode) db.exec(`PRAGMA journal_mode = ${mode}`)
  // Without a boot id nothing tells that the machine crashed, so nothing may be rolled back.
  const synchronous = bootId() === null || mode !== 'wal' ? 'FULL' : 'NORMAL'
  db.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA temp_store = MEMORY; PRAGMA recursive_triggers = OFF`)
  if (!finding.isGuest) db.exec('PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 8388608')
  if (!finding.outdated) return finding
  db.exec('BEGIN IMMEDIATE')
  try {
    const latest = inspect(db, path, isHost)
    if (latest.outdated) migrate(db, latest)
    db.exec('COMMIT')
    return latest
  } catch (error) {
    db.exec('ROLLBACK')
    throw error
  }
}

function createConnection(
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
    isGuest
      ? `SELECT ifnull(sum(${weightOf('payload')}), 0) AS used FROM ${events}`
      : `SELECT (page_count - freelist_count) * page_size AS used
          FROM pragma_page_count, pragma_freelist_count, pragma_page_size`,
  )
  const selectTotal = db.prepare(
    'SELECT page_count * page_size AS total FROM pragma_page_count, pragma_page_size',
  )
  let largest = 0
  let isOpen = true
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
    close: () => {
      if (isOpen) db.close()
      isOpen = false
    },
  }
}

/** Compares what the store remembers with what is true now; writes only where they differ. */
function settle(connection: Connection, place: string, site: PayloadSite): void {
  const { retention } = site
  const hint = site.newestSignal()
  const boot = bootId()
  // Without the device: its number may change with a reboot. Network disks make inodes up as they like.
  const inode = connection.network ? 'network' : (place.split(':')[1] ?? '')
  const isSameFile = (): boolean => connection.getMeta('inode') === inode && !isAhead(connection, hint)
  const isSameBoot = (): boolean => boot === null || connection.getMeta('boot') === boot
  const isSameRetention = (): boolean =>
    retention === null || connection.getMeta('retention') === keptRetention(retention)
  if (isSameFile() && isSameBoot() && isSameRetention()) return

  connection.transaction('BEGIN IMMEDIATE', () => {
    if (boot !== null && !isSameBoot()) {
      if (connection.getMeta('boot') !== null) skipNumbers(connection)
      connection.setMeta('boot', boot)
    }
    if (!isSameFile()) {
      renew(connection, hint)
      connection.setMeta('inode', inode)
    }
    if (retention !== null && !isSameRetention()) {
      connection.setMeta('retention', keptRetention(retention))
      connection.setMeta('counted', '0')
    }
  })
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

/** Rows that readers have seen may be gone after a crash of the machine: their numbers must not come again. */
function skipNumbers(connection: Connection): void {
  const { events } = connection.tables
  connection.prepare(`UPDATE sqlite_sequence SET seq = seq + ${REBOOT_GAP} WHERE name = '${events}'`).run()
}

function keptRetention(retention: Partial<Retention>): string {
  return JSON.stringify(retention, limited)
}

/** JSON has no Infinity, which is how a lifted limit is kept. */
function limited(_name: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? false : value
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
