import { renameSync, rmSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf, FileSignalError, quotePath } from '../../errors.js'
import type { Cursor } from '../../event.js'
import { lookAt, makeFile } from '../../folders.js'
import type { PayloadSite } from '../engine.js'
import { connect, gone } from './connect.js'
import { type Connection, Damaged, inodeOf, Leftovers } from './connection.js'
import { isBusy, isDamage, isUnshared, toFault, weaknessOf } from './fault.js'
import type { Host } from './host.js'
import { type LeaseRows, prepareLeases } from './leases.js'
import { withLock } from './lock.js'
import { prepareRows, type Rows } from './rows.js'

/** An open store with its statements. */
export interface Opened {
  readonly connection: Connection
  readonly rows: Rows
  readonly leases: LeaseRows
  /** The newest head that was seen through this connection, and when, by the monotonic clock. */
  known: Cursor
  knownAt: number
}

/** Thrown after a commit into a file that no longer stands at the path. */
export class Moved extends Error {}

/** Keeps one connection to whatever file stands at the store's path. */
export interface Opener {
  readonly path: string
  /**
   * Runs a function on the store. Never waits; throws SQLITE_BUSY, `Leftovers`, `Damaged`, ...
   *
   * With `look` the store is first made sure to be the one at the path; a function that looks by itself
   * afterwards saves that, and throws `Moved`.
   */
  attempt<T>(fn: (opened: Opened) => T, look?: boolean): T
  /** Does what must be done before another attempt: waits, clears leftovers, sets a damaged store aside. */
  recover(error: unknown, round: number): Promise<void>
  /** Runs a function as soon as the store lets it. Rejects with STORE_BUSY after `patience` milliseconds. */
  run<T>(fn: (opened: Opened) => T, patience?: number): Promise<T>
  close(): void
}

/** How long a call waits for another process's lock. */
export const PATIENCE = 10_000
/** Trying again at once for so long catches a writer that is about to commit, as most do within 0.05 ms. */
const SPIN = 1
const LONGEST_PAUSE = 25

/** With `host` the store is the application's own database, opened by the copy of SQLite that it uses. */
export function createOpener(path: string, site: PayloadSite, host: Host | null): Opener {
  let opened: Opened | null = null
  /** A connection whose file is gone from the path: kept until its leftovers were told from the new store's. */
  let orphan: Connection | null = null
  let closed = false
  /** Once an application's database, always one: its files are never repaired. */
  let isGuest = host !== null

  function open(look: boolean): Opened {
    // A call that waited for a lock must not open anew what was closed meanwhile.
    if (closed) throw new FileSignalError('CLOSED', 'the store is closed')
    if (opened && look && opened.connection.moved()) disown()
    if (opened) return opened
    if (orphan && isStale(orphan)) throw new Leftovers(path)
    const connection = connect(path, site, host, isGuest)
    isGuest = connection.isGuest
    opened = {
      connection,
      rows: prepareRows(connection),
      leases: prepareLeases(connection, connection.tables),
      known: connection.head(),
      knownAt: performance.now(),
    }
    orphan?.close()
    orphan = null
    if (connection.network) {
      site.report(new FileSignalError('STORE_NETWORK', `${quotePath(path)} ${weaknessOf(path)}`))
    }
    return opened
  }

  function disown(): void {
    orphan?.close()
    orphan = opened?.connection ?? null
    opened = null
  }

  /** True where the -wal file at the path belongs to the file that used to be there: SQLite would replay it. */
  function isStale(connection: Connection): boolean {
    const wal = lookAt(`${path}-wal`)
    return wal !== null && connection.walInode !== 0 && wal.ino === connection.walInode && connection.moved()
  }

  function attempt<T>(fn: (opened: Opened) => T, look = true): T {
    let firstFailure = 0
    for (;;) {
      try {
        return fn(open(look || firstFailure > 0))
      } catch (error) {
        firstFailure ||= performance.now()
        if (isBusy(error) && performance.now() - firstFailure < SPIN) continue
        if (error instanceof FileSignalError || isBusy(error)) throw error
        if (error instanceof Leftovers || error instanceof Damaged) throw error
        // Whatever SQLite says about a file that is no longer at the path: look at the one that is.
        if (opened?.connection.moved()) continue
        throw error
      }
    }
  }

  async function recover(error: unknown, round: number): Promise<void> {
    if (isBusy(error)) {
      await pause(Math.min(2 ** round, LONGEST_PAUSE) * (0.5 + Math.random() / 2))
    } else if (isGuest) {
      throw error instanceof Leftovers ? gone(path) : toFault(error, path)
    } else if (opened && round === 0 && isUnshared(error, path)) {
      // Opened anew it does without the shared memory, where that is missing for good.
      opened.connection.close()
      opened = null
    } else if (error instanceof Leftovers) {
      await repair(clearLeftovers)
    } else if (error instanceof Damaged || (opened && isDamage(error))) {
      const inode = error instanceof Damaged ? error.inode : (opened as Opened).connection.inode
      await repair(() => setAside(inode))
    } else throw toFault(error, path)
  }

  async function repair(fn: () => void): Promise<void> {
    try {
      await withLock(path, true, fn)
    } catch (error) {
      throw toFault(error, path)
    }
  }

  /** Only the main file is gone or replaced: its -wal and -shm would spoil the next store. */
  function clearLeftovers(): void {
    if (lookAt(path) !== null && !(orphan && isStale(orphan))) return
    rmSync(`${path}-wal`, { force: true })
    rmSync(`${path}-shm`, { force: true })
    // Under the lock too, or the next process that finds no main file would unlink the new store's -wal.
    makeFile(path, site)
  }

  function setAside(inode: string): void {
    if (inodeOf(path) !== inode) return
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '-')}`
    for (const suffix of ['-wal', '-shm', '']) moveAway(`${path}${suffix}`, `${aside}${suffix}`)
    site.report(
      new FileSignalError(
        'STORE_DAMAGED',
        `${quotePath(path)} is damaged and was renamed to ${quotePath(aside)}`,
      ),
    )
  }

  async function run<T>(fn: (opened: Opened) => T, patience = PATIENCE): Promise<T> {
    const deadline = performance.now() + patience
    for (let round = 0; ; round += 1) {
      try {
        return attempt(fn)
      } catch (error) {
        if (performance.now() > deadline) throw toFault(error, path)
        await recover(error, round)
      }
    }
  }

  return {
    path,
    attempt,
    recover,
    run,
    close: () => {
      closed = true
      opened?.connection.close()
      orphan?.close()
      opened = null
      orphan = null
    },
  }
}

function moveAway(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
