import type { BigIntStats } from 'node:fs'
import type { SignalFile } from './signal-file.js'

export interface Poller {
  /** Idempotent. */
  close(): void
}

/** Kernels before 6.13 stamp with a tick of 1 to 4 ms (10 ms at 100 Hz): a second write may leave no trace. */
const FRESH = 20n * 1_000_000n

/**
 * Looks at a file at an interval, and calls `onChange` when its mtime, size or inode is another.
 *
 * An mtime that is fresh when it is seen counts as still changing: the next look calls again.
 */
export function pollFile(file: SignalFile, interval: number, onChange: () => void): Poller {
  let last = file.stat()
  let unsettled = last !== null && isFresh(last)
  const timer = setInterval(() => {
    const now = file.stat()
    const changed = differs(last, now)
    const again = changed || unsettled
    unsettled = changed && now !== null && isFresh(now)
    last = now
    if (again) onChange()
  }, interval)
  return { close: () => clearInterval(timer) }
}

function differs(a: BigIntStats | null, b: BigIntStats | null): boolean {
  if (a === null || b === null) return a !== b
  return a.mtimeNs !== b.mtimeNs || a.size !== b.size || a.ino !== b.ino || a.dev !== b.dev
}

/** Whole distance, as the clock of a file server may be ahead. */
function isFresh(stats: BigIntStats): boolean {
  const age = BigInt(Date.now()) * 1_000_000n - stats.mtimeNs
  return age < FRESH && age > -FRESH
}
