import { readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { FileSignalError, quotePath } from '../../errors.js'
import { lookAt, makeFile, makeFolder } from '../../folders.js'
import type { Retention } from '../../options.js'
import type { PayloadSite } from '../engine.js'
import {
  type Connection,
  createConnection,
  Damaged,
  inodeOf,
  isAhead,
  Leftovers,
  renew,
} from './connection.js'
import { type Database, openDatabase } from './driver.js'
import { isDamage } from './fault.js'
import type { Host } from './host.js'
import { type Finding, inspect, isOurs, migrate } from './schema/migrate.js'

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

/** Brings settings and schema up to date; an application's own settings stay as they are. */
function prepareStore(db: Database, path: string, network: boolean, isHost: boolean): Finding {
  // One snapshot: another process may create the store between two looks, which then seem to be of another's.
  db.exec('BEGIN')
  const finding = inspect(db, path, isHost)
  db.exec('COMMIT')
  const { journal_mode: current } = db.prepare('PRAGMA journal_mode').get() as { journal_mode: string }
  const mode = finding.isGuest ? current : network ? 'delete' : 'wal'
  // Before anything is written, or it means nothing: so that pruning can give pages back a few at a time. Costs a
  // signal() 1 to 4 % of its CPU time with 120 bytes, 8 % with 2,000: a page that tells where pages belong is written, too.
  if (finding.outdated && mode === 'wal' && !finding.isGuest) db.exec('PRAGMA auto_vacuum = INCREMENTAL')
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
