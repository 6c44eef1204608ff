import { renameSync, rmSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { attempt as attemptTo } from '../../attempt.js'
import { codeOf, FileSignalError, quotePath } from '../../errors.js'
import { lookAt, makeFile } from '../../folders.js'
import type { Appended, PayloadSite } from '../engine.js'
import { abandon } from './abandon.js'
import { atExit } from './at-exit.js'
import { connect, gone } from './connect.js'
import { type Connection, Damaged, Incomplete, Leftovers } from './connection.js'
import { isBusy, isDamage, isMissing, isStuck, isTorn, isUnshared, toFault, weaknessOf } from './fault.js'
import { inodeOf, type Place } from './files.js'
import { ensureContinued, isContinued, type Known, learn } from './history.js'
import type { Host } from './host.js'
import { type LeaseRows, prepareLeases } from './leases.js'
import { withLock } from './lock.js'
import { isForeignWal } from './owner.js'
import { gather, type Rescued } from './rescue.js'
import { prepareRows, type Rows } from './rows.js'

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

/** Thrown after a commit into a file that no longer stands at the path. */
export class Moved extends Error {}

/** Thrown where the connection's -wal or -shm is not the one at the path: it must be given up under the lock first. */
export class Split extends Error {}

/** Thrown after a commit where the path cannot be looked at, so that nobody knows yet what it was good for. */
export class Unseen extends Error {
  /** `look` looks again: throws `Moved`, or what keeps it from looking; otherwise the commit counts. */
  constructor(
    readonly look: () => readonly Appended[],
    cause: unknown,
  ) {
    super('the path of the store cannot be looked at', { cause })
  }
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
/** Milliseconds in which every process has looked, and what one did about a lost file has reached the others. */
const QUIET = 10_000
/** Some sweeps: a process that streams has looked by then. */
const TORN_ROUNDS = 120

/** With `host` the store is the application's own database, opened by the copy of SQLite that it uses. */
export function createOpener(path: string, site: PayloadSite, host: Host | null): Opener {
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
  /** Until then another epoch is the outcome of what was reported already. */
  let quietUntil = 0
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
    return openAnew()
  }

  function openAnew(): Opened {
    const { connection, isRenewed, restored } = connect(path, site, { host, wasGuest: isGuest, rescued })
    isGuest = connection.isGuest
    const fresh: Opened = {
      connection,
      rows: prepareRows(connection),
      leases: prepareLeases(connection, connection.tables),
      known: known ?? { ...connection.head(), row: null },
      lookedAt: Number.NEGATIVE_INFINITY,
      unsaved: Number.POSITIVE_INFINITY,
      onRenewed: reportRestored,
    }
    if (rescued.length > 0) reportSplit(restored)
    else if (isRenewed) reportRestored()
    rescued = []
    opened = fresh
    recognise(fresh)
    orphan?.close()
    orphan = null
    if (connection.network) {
      site.report(new FileSignalError('STORE_NETWORK', `${quotePath(path)} ${weaknessOf(path)}`))
    }
    return fresh
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
        if (!isOfSqlite(error) || isBusy(error)) throw error
        openings += 1
        if (openings > MOST_OPENINGS || !opened) throw error
        // Whatever SQLite says about a file that is no longer at the path: look at the one that is.
        if (error instanceof Moved || opened.connection.files.look() !== 'here') continue
        if (error instanceof Incomplete || isMissing(error)) mend()
        else if (isStuck(error) && openings === 1) reopen()
        else throw error
      }
    }
  }

  /** Rights that are right again, or an index that was spoilt, are seen by a new connection only. */
  function reopen(): void {
    if (!opened || isGuest) return
    known = opened.known
    opened.connection.close()
    opened = null
  }

  /** What is missing of our tables is made again where a store is opened. */
  function mend(): void {
    if (!opened) return
    known = opened.known
    opened.connection.close()
    opened = null
  }

  async function recover(error: unknown, round: number): Promise<void> {
    if (isBusy(error)) {
      await pause(Math.min(2 ** round, LONGEST_PAUSE) * (0.5 + Math.random() / 2))
    } else if (isGuest) {
      throw error instanceof Leftovers || error instanceof Split ? giveUp() : toFault(error, path)
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
    abandon(connection)
    split = null
    if (rescued.length === 0) reportSplit(0)
    else quietUntil = performance.now() + QUIET
  }

  /** An index without its -wal. SQLite makes it anew from the -wal that is there; who still holds it looks, and opens anew. */
  function dropIndex(): void {
    rmSync(`${path}-shm`, { force: true })
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
    quietUntil = performance.now() + QUIET
    const aside = `${path}.damaged-${new Date().toISOString().replaceAll(':', '-')}`
    for (const suffix of ['-wal', '-shm', '']) moveAway(`${path}${suffix}`, `${aside}${suffix}`)
    site.report(
      new FileSignalError(
        'STORE_DAMAGED',
        `${quotePath(path)} is damaged and was renamed to ${quotePath(aside)}`,
      ),
    )
  }

  function reportSplit(restored: number): void {
    const what = `a -wal or -shm file of ${quotePath(path)} was deleted or replaced while it was open`
    quietUntil = performance.now() + QUIET
    const saved = restored === 1 ? '1 event was put back' : `${restored} events were put back`
    site.report(new FileSignalError('STORE_SPLIT', restored === 0 ? what : `${what}; ${saved}`))
  }

  function reportRestored(): void {
    const now = performance.now()
    if (now < quietUntil) return
    quietUntil = now + QUIET
    const what = `${quotePath(path)} is another file, or is in an older state, than was signalled or seen here`
    site.report(new FileSignalError('STORE_RESTORED', what))
  }

  /** Closes everything. What only a lost -wal has is put back first; nobody is left to wait for a lock. */
  function letGo(): void {
    if (opened && isLeft(opened)) leave(opened, 'split')
    attemptTo(() => {
      if (!split || isGuest) return
      giveUpSplit()
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

/** True where closing would touch files at the path that are not the connection's own. */
function isLeft({ connection: { isGuest, files } }: Opened): boolean {
  try {
    return !isGuest && files.look() === 'split'
  } catch {
    return false
  }
}

/** False for what needs a lock first, and for what is no matter of the file at the path. */
function isOfSqlite(error: unknown): boolean {
  return !(
    error instanceof FileSignalError ||
    error instanceof Leftovers ||
    error instanceof Damaged ||
    error instanceof Split ||
    error instanceof Unseen
  )
}

function moveAway(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
}
