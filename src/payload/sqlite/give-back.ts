import { setTimeout as pause } from 'node:timers/promises'
import type { Connection } from './connection.js'
import { diskUse, type Pages, pagesOf } from './disk.js'
import type { Opened } from './opener.js'
import type { Step } from './retention.js'

/** Free pages that are kept beside those in use, for what is stored next: a share, and some for small stores. */
const KEPT_SHARE = 1 / 16
const KEPT_PAGES = 32
/** A store that cannot shrink by itself is made anew where that takes no longer than a checkpoint does: 4 MiB. */
const MOST_REBUILT = 1024
/** A -wal that nobody keeps is no larger than 1,000 pages, when SQLite begins it anew. */
const USUAL_WAL = 4_500_000
const TRIES = 8

/** Gives free pages back to the disk, `batch` at a time: SQLite moves the last ones of the file into free places. */
export function giveBack({ connection }: Opened, _retention: unknown, batch: number): Step {
  const nothing = { deleted: 0, dealt: 0, more: false }
  if (connection.isGuest || connection.network) return nothing
  const pages = pagesOf(connection)
  if (!pages.canShrink || !isRoomy(pages)) return nothing
  const surplus = pages.free - kept(pages)
  connection.db.exec(`PRAGMA incremental_vacuum(${Math.min(batch, surplus)})`)
  return { ...nothing, more: surplus > batch }
}

/** Makes a small store anew that was created without the ability to shrink. Call it outside of transactions. */
export function rebuild({ connection }: Opened): void {
  if (connection.isGuest || connection.network) return
  const pages = pagesOf(connection)
  if (pages.canShrink || !isRoomy(pages) || pages.all - pages.free > MOST_REBUILT) return
  connection.db.exec('PRAGMA auto_vacuum = INCREMENTAL; VACUUM')
}

/**
 * Puts what the -wal holds into the file, which gets its size by that, and cuts the -wal to nothing where it is large.
 * It waits for no reader: who is in the way for longer than a moment keeps both as they are.
 */
export async function settleWal(
  run: <T>(fn: (opened: Opened) => T) => Promise<T>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 0; round < TRIES && !signal.aborted; round += 1) {
    if (await run(({ connection }) => isSettled(connection, path) || checkpoint(connection))) return
    await pause(10 * 2 ** Math.min(round, 4), undefined, { signal }).catch(() => {})
  }
}

function isSettled(connection: Connection, path: string): boolean {
  if (connection.isGuest || connection.network) return true
  const { all, size } = pagesOf(connection)
  const { file, wal } = diskUse(path)
  return wal <= USUAL_WAL && file <= all * size
}

/** True where all is in the file. The first one needs no lock that a publisher would wait for. */
function checkpoint(connection: Connection): boolean {
  connection.prepare('PRAGMA wal_checkpoint(PASSIVE)').get()
  const { busy } = connection.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { busy: number }
  return busy === 0
}

function isRoomy({ all, free }: Pages): boolean {
  return free > 2 * kept({ all, free })
}

function kept({ all, free }: Pick<Pages, 'all' | 'free'>): number {
  return Math.ceil((all - free) * KEPT_SHARE) + KEPT_PAGES
}
