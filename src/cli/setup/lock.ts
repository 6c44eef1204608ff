import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { lock } from 'proper-lockfile'
import { FileSignalError } from '../../index.js'
import { clearLockAhead } from '../../lock-ahead.js'
import { refusal } from './refusal.js'

/** A lock whose holder was killed counts as left after so long, in ms; the least that the library takes. */
const STALE = 5000
/** Longer than that. */
const PATIENCE = { retries: 100, factor: 1, minTimeout: 100, maxTimeout: 100 }

/**
 * Runs a function while no other init or uninstall works in the same project.
 *
 * Waits for another one, and up to 5 s where that was killed. Throws SETUP_FAILED where it takes longer than
 * 10 s, or where the root may not be written to.
 */
export async function withLock<T>(root: string, work: () => Promise<T>): Promise<T> {
  const path = lockPath(root)
  let release: () => Promise<void>
  try {
    await clearLockAhead(path, STALE)
    release = await lock(root, {
      lockfilePath: path,
      realpath: false,
      stale: STALE,
      retries: PATIENCE,
      // The default ends the process. A disk so slow that the lock passes on harms nothing: each change
      // looks at what it replaces.
      onCompromised: () => {},
    })
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : cause
    if (code !== 'ELOCKED') throw refusal(root, `cannot be written to (${code})`, undefined, cause)
    throw new FileSignalError('SETUP_FAILED', `another init or uninstall is at work in "${root}"`, {
      cause,
      remedy: 'wait until it has ended, and run the command again',
    })
  }
  try {
    return await work()
  } finally {
    await release().catch(() => {})
  }
}

/** True where somebody is at work, or was killed at it. */
export function isLocked(root: string): boolean {
  return existsSync(lockPath(root))
}

function lockPath(root: string): string {
  return join(root, '.file-signal.lock')
}
