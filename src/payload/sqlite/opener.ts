import { rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { attempt as attemptTo } from '../../attempt.js'
import { FileSignalError, quotePath } from '../../errors.js'
import { lookAt, makeFile } from '../../folders.js'
import type { PayloadSite } from '../engine.js'
import { abandon } from './abandon.js'
import { atExit } from './at-exit.js'
import { connect, gone } from './connect.js'
import type { Connection } from './connection.js'
import { isBusy, isDamage, isMissing, isStuck, isTorn, isUnopened, isUnshared, toFault } from './fault.js'
import { inodeOf, type Place } from './files.js'
import { ensureContinued, isContinued, type Known, learn } from './history.js'
import type { Host } from './host.js'
import { type LeaseRows, prepareLeases } from './leases.js'
import { withLock } from './lock.js'
import { Damaged, Incomplete, isOfConnection, Leftovers, Moved, Split } from './obstacles.js'
import { isForeignWal } from './owner.js'
import { createReports } from './reports.js'
import { gather, type Rescued } from './rescue.js'
import { prepareRows, type Rows } from './rows.js'
import { moveAside } from './set-aside.js'
import { createSiblings } from './siblings.js'

/** An open store with its statements. */
export interface Opened {
  readonly connection: Connection
  readonly rows: Rows
  readonly leases: LeaseRows
  /** The newest place that was seen through this connection. */
  known: Known
  /** When the store was last compared with what is known and signalled, by the monotonic clock. */
  lookedAt: number
  /** First number of rows that were committed to files that are gone: their publisher stores them anew. */
  unsaved: number
  /** Told that the store has lost what was seen or signalled. */
  readonly onRenewed: () => void
}

/** Keeps one connection to whatever file stands at the store's path. */
export interface Opener {
  readonly path: string
  /**
   * Runs a function on the store. Never waits; throws SQLITE_BUSY, `Leftovers`, `Damaged`, ...
   *
   * With `look` the store is first made sure to be the one at the path; a function that looks by itself afterwards, and
   * throws `Moved`, needs that only after a while without a look.
   */
  attempt<T>(fn: (opened: Opened) => T, look?: boolean): T
  /** Does what must be done before another attempt: waits, clears leftovers, sets a damaged store aside. */
  recover(error: unknown, round: number): Promise<void>
  /**
   * Runs a function as soon as the store lets it. Rejects with STORE_BUSY after `patience` milliseconds. Whoever holds
   * the lock asks for no repair, which would wait for it, and gets what is wrong instead.
   */
  run<T>(fn: (opened: Opened) => T, patience?: number, repairs?: boolean): Promise<T>
  close(): void
}

/** How long a call waits for another process's lock. */
export const PATIENCE = 10_000
/** Trying again at once for so long catches a writer that is about to commit, as most do within 0.05 ms. */
const SPIN = 1
const LONGEST_PAUSE = 25
/** Opening anew heals at once, or not at all. */
const MOST_OPENINGS = 3
/** Milliseconds in which others let go of what was lost: some sweeps. */
const HEALING = 3000
/** Some sweeps: a process that streams has looked by then. */
const TORN_ROUNDS = 120

/** With `host` the store is the application's own database, opened by the copy of SQLite that it uses. */
export function createOpener(path: string, site: PayloadSite, host: Host | null): Opener {
  const reports = createReports(path, site.report)
  let opened: Opened | null = null
  /** A connection whose file is gone from the path: kept until its leftovers were told from the new store's. */
  let orphan: Connection | null = null
  /** A connection whose side files are gone from the path, until it is given up. */
  let split: Opened | null = null
  let rescued: Rescued = []
  /** What is known of the store stays known when it is opened anew. */
  let known: Known | null = null
  let closed = false
  let stayAtExit = () => {}
  /** Until then others of this process, in its worker threads, may still have to let go of a lost -wal. */
  let healsUntil = 0
  const siblings = createSiblings(path, letGoOfLost)
  /** Once an application's database, always one: its files are never repaired. */
  let isGuest = host !== null

  function open(look: boolean): Opened {
    // A call that waited for a lock must not open anew what was closed meanwhile.
    if (closed) throw new FileSignalError('CLOSED', 'the store is closed')
    if (opened && (look || !opened.connection.files.isFresh())) {
      leave(opened, opened.connection.files.glance())
    }
    opened?.connection.checkSize()
    if (opened) return opened
    if (split) throw new Split(path)
    if (orphan && isStale(orphan)) throw new Leftovers(path)
    stayAtExit()
    stayAtExit = atExit(letGo)
    siblings.join()
    return openAnew()
  }

  function openAnew(): Opened {
    const { connection, isRenewed } = connect(path, site, {
      host,
      wasGuest: isGuest,
      rescued,
      onPutBack: (restored) => {
        rescued = []
        reports.split(restored)
      },
    })
    isGuest = connection.isGuest
    const fresh = prepare(connection)
    if (isRenewed) reports.restored()
    opened = fresh
    recognise(fresh)
    orphan?.close()
    orphan = null
    if (connection.network) {
      reports.network()
    }
    return fresh
  }

  function prepare(connection: Connection): Opened {
    try {
      return {
        connection,
        rows: prepareRows(connection),
        leases: prepareLeases(connection, connection.tables),
        known: known ?? { ...connection.head(), row: null },
        lookedAt: Number.NEGATIVE_INFINITY,
        unsaved: Number.POSITIVE_INFINITY,
        onRenewed: reports.restored,
      }
    } catch (error) {
      connection.close()
      throw error
    }
  }

  /** Compares a store with what was known of the one before it. A busy one is compared at the next look. */
  function recognise(fresh: Opened): void {
    const { connection } = fresh
    try {
      if (connection.transaction('BEGIN', () => isRecognised(fresh))) return
      connection.transaction('BEGIN IMMEDIATE', () => ensureContinued(fresh, site.newestSignal))
    } catch (error) {
      if (!isBusy(error)) throw error
    }
  }

  /** Lets go of a connection that is not on the files at the path. */
  function leave(left: Opened, place: Place): void {
    if (place === 'here') return
    opened = null
    known = left.known
    if (place === 'split') split = left
    else {
      reports.speak()
      orphan?.close()
      orphan = left.connection
    }
  }

  /** True where the -wal file at the path belongs to the file that used to be there: SQLite would replay it. */
  function isStale({ files }: Connection): boolean {
    const wal = lookAt(`${path}-wal`)
    return wal !== null && files.wal !== 0 && wal.ino === files.wal && inodeOf(path) !== files.inode
  }

  function attempt<T>(fn: (opened: Opened) => T, look = true): T {
    let firstFailure = 0
    for (let openings = 0; ; ) {
      try {
        return fn(open(look || firstFailure > 0))
      } catch (error) {
        firstFailure ||= performance.now()
        if (isBusy(error) && performance.now() - firstFailure < SPIN) continue
        if (!isOfConnection(error) || isBusy(error)) throw error
        openings += 1
        if (openings > MOST_OPENINGS || !opened) throw error
        // Whatever SQLite says about a file that is no longer at the path: look at the one that is.
        if (error instanceof Moved || opened.connection.files.look() !== 'here') continue
        const isCurable = isStuck(error) && openings === 1 && !isGuest
        if (!isCurable && !(error instanceof Incomplete || isMissing(error))) throw error
        reopen()
      }
    }
  }

  /** Sees rights that are right again, and makes what is missing of our tables. */
  function reopen(): void {
    if (!opened) return
    known = opened.known
    opened.connection.close()
    opened = null
  }

  async function recover(error: unknown, round: number): Promise<void> {
    if (isBusy(error)) {
      await pause(Math.min(2 ** round, LONGEST_PAUSE) * (0.5 + Math.random() / 2))
    } else if (isGuest) {
      const isLost = error instanceof Leftovers || error instanceof Split || isTorn(error)
      throw isLost ? giveUp() : toFault(error, path)
    } else if (isUnopened(error) && performance.now() < healsUntil) {
      if (performance.now() > healsUntil - HEALING) throw stillLost(path)
      await pause(LONGEST_PAUSE)
    } else if (isTorn(error)) {
      // Not at the first look: whoever mends the store may have deleted it just now.
      if (round > 2 && !lookAt(`${path}-shm`))
        throw new FileSignalError('STORE_FOREIGN', `${quotePath(path)} is cut short`)
      // Whoever is still on the -wal that was deleted saves what it has at its next look.
      if (round < TORN_ROUNDS) await pause(LONGEST_PAUSE)
      else await repair(dropIndex)
    } else if (error instanceof Split) {
      await repair(giveUpSplit)
    } else if (opened && round === 0 && isUnshared(error, path)) {
      // Opened anew it does without the shared memory, where that is missing for good.
      reopen()
    } else if (error instanceof Leftovers) {
      await repair(clearLeftovers)
    } else if (error instanceof Damaged || (opened && isDamage(error))) {
      const inode = error instanceof Damaged ? error.inode : (opened as Opened).connection.files.inode
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

  /** The application's own connection is on the lost files, too: that is its business. */
  function giveUp(): FileSignalError {
    split?.connection.close()
    split = null
    return gone(path)
  }

  /** Saves what only the lost -wal has, and leaves the files at the path to those who are on them. */
  function giveUpSplit(): void {
    if (!split) return
    const { connection, unsaved } = split
    // Signals follow commits that were made sure of: what lies beyond is stored anew by its own publisher.
    const hint = site.newestSignal()
    const seen = Math.max(split.known.n, hint?.epoch === split.known.epoch ? hint.n : 0)
    try {
      rescued = gather(connection, Math.min(seen, unsaved - 1))
    } catch {
      // Somebody else has given it up already, and what it knew is known there.
    }
    // An index that is there without its -wal describes another one to whoever opens the store.
    if (lookAt(`${path}-shm`)?.ino === connection.files.shm) rmSync(`${path}-shm`, { force: true })
    siblings.dismiss()
    abandon(connection)
    split = null
    healsUntil = performance.now() + 2 * HEALING
    if (rescued.length === 0) reports.split(0)
    else reports.hush()
  }

  /** An index without its -wal. SQLite makes it anew from the -wal that is there; who still holds it looks, and opens anew. */
  function dropIndex(): void {
    rmSync(`${path}-shm`, { force: true })
  }

  /** A sibling gives up what both have lost: its own connection is still open, so that closing this one does nothing. */
  function letGoOfLost(): void {
    if (opened && isLeft(opened)) leave(opened, 'split')
    split?.connection.close()
    split = null
  }

  /** Only the main file is gone or replaced: its -wal and -shm would spoil the next store. */
  function clearLeftovers(): void {
    if (lookAt(path) !== null && !(orphan && isStale(orphan)) && !isForeignWal(path)) return
    rmSync(`${path}-wal`, { force: true })
    rmSync(`${path}-shm`, { force: true })
    // Under the lock too, or the next process that finds no main file would unlink the new store's -wal.
    makeFile(path, site)
  }

  function setAside(inode: string): void {
    if (inodeOf(path) !== inode) return
    const aside = moveAside(path)
    if (opened) leave(opened, 'moved')
    reports.damaged(aside)
  }

  /** Closes everything. What only a lost -wal has is put back first; nobody is left to wait for a lock. */
  function letGo(): void {
    if (opened && isLeft(opened)) leave(opened, 'split')
    attemptTo(() => {
      if (!isGuest) giveUpSplit()
      if (rescued.length > 0) openAnew()
    })
    opened?.connection.close()
    split?.connection.close()
    orphan?.close()
    opened = split = orphan = null
  }

  async function run<T>(fn: (opened: Opened) => T, patience = PATIENCE, repairs = true): Promise<T> {
    const deadline = performance.now() + patience
    for (let round = 0; ; round += 1) {
      try {
        return attempt(fn)
      } catch (error) {
        if (performance.now() > deadline) throw toFault(error, path)
        if (!repairs && !isBusy(error)) throw error
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
      stayAtExit()
      letGo()
      siblings.leave()
    },
  }
}

/** True where the store goes on from what was known of it; then its head is what is known. */
function isRecognised(opened: Opened): boolean {
  const standing = opened.connection.standing()
  const isGood = isContinued(opened, standing)
  if (isGood) learn(opened, standing.head)
  return isGood
}

/** An application's own handle on a store of ours, or a worker thread that does nothing. */
function stillLost(path: string): FileSignalError {
  const what = `another connection of this process is on a deleted -shm file of ${quotePath(path)}`
  return new FileSignalError('STORE_FAILED', what, {
    remedy: 'close it, or restart the process; the event was not stored',
  })
}

/** True where closing would touch files at the path that are not the connection's own. */
function isLeft({ connection: { isGuest, files } }: Opened): boolean {
  try {
    return !isGuest && files.look() === 'split'
  } catch {
    return false
  }
}
