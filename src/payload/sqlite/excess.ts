import { performance } from 'node:perf_hooks'
import { FileSignalError, quotePath } from '../../errors.js'
import type { PayloadSite } from '../engine.js'
import type { Connection } from './connection.js'
import { pagesOf, sizeOf } from './disk.js'
import type { Opened, Opener } from './opener.js'

const MIB = 1024 * 1024
/** SQLite cuts a -wal that it begins anew back to this: `journal_size_limit`. */
const USUAL_WAL = 8 * MIB
const MOST_WAL = 64 * MIB
/** Room for the tables themselves, and for what is stored while a pass goes on. */
const ROOM = 4 * MIB

/** Larger than it may be, and whether that was told: then the last pass could not do enough. */
export type StoreSize = 'well' | 'over' | 'told'

/** Tells once that the store takes more of the disk than it may, and that this is over. */
export interface Watch {
  /** Says so where it has been like that for a while, whoever prunes. */
  look(opened: Opened): StoreSize
  /** Says so at once: what could be deleted is deleted. */
  judge(opened: Opened): void
}

/** Another process needs so long for a pass, at the most, in milliseconds. */
const WHILE = 15_000

export function createWatch(
  { path }: Opener,
  { report, recovered }: Pick<PayloadSite, 'report' | 'recovered'>,
): Watch {
  let since: number | null = null
  let isTold = false

  function judge({ connection }: Opened, atOnce = true): void {
    const excess = findExcess(connection, path)
    const now = performance.now()
    since = excess === null ? null : (since ?? now)
    if (excess && !isTold && (atOnce || now - (since as number) >= WHILE)) {
      isTold = true
      report(excess)
    } else if (!excess && isTold) {
      isTold = false
      recovered?.('STORE_TOO_LARGE')
    }
  }

  return {
    look: (opened) => {
      judge(opened, false)
      if (since === null) return 'well'
      return isTold ? 'told' : 'over'
    },
    judge: (opened) => judge(opened),
  }
}

/** What keeps a store larger than retention allows, though all that may be deleted is deleted; null for nothing. */
export function findExcess(connection: Connection, path: string): FileSignalError | null {
  if (connection.isGuest) return null
  const { maxBytes } = connection.retention()
  const wal = sizeOf(`${path}-wal`)
  if (wal > mostWal(maxBytes)) {
    return tooLarge(`${quotePath(`${path}-wal`)} has ${inMib(wal)}: a program holds a transaction open`)
  }
  const file = sizeOf(path)
  if (file <= maxBytes * 1.25 + ROOM) return null
  const { all, free, size, canShrink } = pagesOf(connection)
  const what = `${quotePath(path)} has ${inMib(file)}, and retention allows ${inMib(maxBytes)}`
  if (all * size < file - ROOM) return tooLarge(`${what}: a program holds a transaction open`)
  if (free * size > ROOM) {
    return canShrink ? null : tooLarge(`${what}: it cannot shrink by itself`, VACUUM)
  }
  const event = connection.prepare(`SELECT 1 FROM ${connection.tables.events} LIMIT 1`).get()
  return event === undefined ? tooLarge(`${what}: something else than events fills it`, OTHERS) : null
}

const VACUUM = `run VACUUM once, when little is published: sqlite3 STORE "PRAGMA auto_vacuum = 2; VACUUM"`
const OTHERS = 'keep tables of your own in a database of your own'

function tooLarge(what: string, remedy?: string): FileSignalError {
  return new FileSignalError('STORE_TOO_LARGE', what, remedy === undefined ? {} : { remedy })
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}

/** How large the -wal may be. Beyond that somebody keeps SQLite from beginning it anew. */
function mostWal(maxBytes: number): number {
  return Math.max(USUAL_WAL, Math.min(MOST_WAL, maxBytes / 2))
}
