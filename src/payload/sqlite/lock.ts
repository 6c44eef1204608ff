import { constants } from 'node:os'
import { codeOf, FileSignalError, quotePath } from '../../errors.js'
import { findLibrary } from '../../library.js'
import { clearLockAhead } from '../../lock-ahead.js'

type Lockfile = typeof import('proper-lockfile')

/** A lock whose holder was killed counts as left after this; a living holder renews it well before. */
const STALE = 10_000
const RENEWAL = 2_500
const PATIENCE = { retries: 40, factor: 1.3, minTimeout: 20, maxTimeout: 500 }

/** Told to the function that runs under the lock: `isLost()` turns true when another process took it over. */
export interface Held {
  isLost(): boolean
}

/**
 * Runs a function while no other process runs one under the same path's lock.
 *
 * With `wait` it waits up to about 15 s, longer than a killed holder's lock lives; otherwise it resolves
 * with null at once where the lock is taken. One whose time is ahead of now is watched for 10 s first, or until
 * `isOver`. Publishing to an intact store never comes here. Rejects with STORE_LOCKED where a lock was left behind that
 * this user may not remove.
 */
export async function withLock<T>(
  path: string,
  wait: boolean,
  fn: (held: Held) => T | Promise<T>,
  isOver?: () => boolean,
): Promise<T | null> {
  const { lock } = await loadLockfile()
  let lost = false
  let release: () => Promise<void>
  try {
    await clearLockAhead(lockFolder(path), STALE, isOver)
    release = await lock(path, {
      realpath: false,
      stale: STALE,
      update: RENEWAL,
      retries: wait ? PATIENCE : 0,
      // The default throws from a timer, which ends the process when its loop was blocked past `stale`.
      onCompromised: () => {
        lost = true
      },
    })
  } catch (error) {
    if (codeOf(error) === 'ELOCKED' && !wait) return null
    throw isRemoval(error) ? unremovable(path, error) : error
  }
  try {
    return await fn({ isLost: () => lost })
  } finally {
    if (!lost) await release().catch(() => {})
  }
}

/** The folder that is the lock of a store. */
export function lockFolder(path: string): string {
  return `${path}.lock`
}

function isRemoval(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && error.syscall === 'rmdir'
}

function unremovable(path: string, cause: NodeJS.ErrnoException): FileSignalError {
  const what = `${quotePath(lockFolder(path))} was left behind and cannot be removed (${cause.code})`
  return new FileSignalError('STORE_LOCKED', what, { cause })
}

/**
 * Loads proper-lockfile at first use, and takes back the signal handlers that it installs in the whole
 * process (by signal-exit): they kill the process at once where the app listens with `process.once`,
 * for then they find themselves alone, and a graceful shutdown never happens. A lock that a signal leaves
 * behind so counts as left after `STALE`.
 */
async function loadLockfile(): Promise<Lockfile> {
  const before = signalListeners()
  // Synchronous, so that no listener of the app's own can come in between; a bundler sees the second alone, and takes
  // it along.
  const lockfile =
    (findLibrary('proper-lockfile')?.('proper-lockfile') as Lockfile | undefined) ??
    (await import('proper-lockfile')).default
  for (const [signal, listeners] of signalListeners()) {
    const known = before.get(signal) ?? []
    for (const listener of listeners) {
      if (!known.includes(listener)) process.off(signal, listener)
    }
  }
  return lockfile
}

function signalListeners(): Map<NodeJS.Signals, NodeJS.SignalsListener[]> {
  const names = Object.keys(constants.signals) as NodeJS.Signals[]
  return new Map(names.map((name) => [name, process.listeners(name) as NodeJS.SignalsListener[]]))
}
