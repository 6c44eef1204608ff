import { rmdirSync, statSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { codeOf } from './errors.js'

/** The library stamps a lock up to a second ahead of now. */
const AHEAD = 1500
const LOOK = 100

/**
 * Removes the lock folder of a holder that is gone, where its time is ahead of now: somebody was killed while the clock
 * was wrong, and by that clock it would count as held until its time has come.
 *
 * A holder that lives stamps its lock again and again, whatever its clock says. So the folder is watched for `stale`
 * milliseconds by the monotonic clock, or until `isOver`, and goes if it has not changed. Resolves at once where the
 * time of the lock is believable or there is none. Throws the system's error where the folder cannot be removed.
 */
export async function clearLockAhead(
  folder: string,
  stale: number,
  isOver: () => boolean = () => false,
): Promise<void> {
  const first = versionOf(folder)
  if (first === null || first.mtimeMs < Date.now() + AHEAD) return
  const end = performance.now() + stale
  while (performance.now() < end) {
    await pause(LOOK)
    if (isOver() || !isSame(first, versionOf(folder))) return
  }
  try {
    rmdirSync(folder)
  } catch (error) {
    // Somebody else has watched it, too.
    if (codeOf(error) !== 'ENOENT') throw error
  }
}

interface Version {
  readonly ino: number
  readonly mtimeMs: number
}

function versionOf(folder: string): Version | null {
  return statSync(folder, { throwIfNoEntry: false }) ?? null
}

function isSame(a: Version, b: Version | null): boolean {
  return b !== null && a.ino === b.ino && a.mtimeMs === b.mtimeMs
}
