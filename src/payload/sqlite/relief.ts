import type { Opened, Opener } from './opener.js'
import { byBytes } from './retention.js'

/** Keeps a store from growing without end while somebody stores faster than pruning deletes. */
export interface Relief {
  /** Tells that an event of so many bytes was stored. */
  stored(bytes: number): void
}

/** Looked at after so many bytes; and after fewer, in which twice as many are deleted, while a store is too large. */
const GROWTH = 4 * 1024 * 1024
const STEP = 64 * 1024
/** What an event takes beside its payload, about. */
const ROW = 100
const MOST_ROWS = 2000

/**
 * A publisher that stores in a loop, without a pause, lets no timer run: nothing else in its process could prune, and
 * others get the write lock rarely. So whoever stores into a store that is half as large again as it may be deletes at
 * once, some milliseconds at a time. It needs no lock: two who delete the oldest rows do no harm.
 */
export function createRelief(opener: Opener): Relief {
  let bytes = 0
  let isPressed = false

  function relieve(opened: Opened): boolean {
    const { connection } = opened
    if (connection.isGuest) return false
    const retention = connection.retention()
    const used = connection.bytes()
    if (used <= retention.maxBytes * (isPressed ? 1.25 : 1.5)) return false
    const step = { ...retention, maxBytes: used - 2 * STEP }
    connection.transaction('BEGIN IMMEDIATE', () => byBytes(opened, step, MOST_ROWS))
    return true
  }

  return {
    stored: (added) => {
      bytes += added + ROW
      if (bytes < (isPressed ? STEP : GROWTH)) return
      bytes = 0
      try {
        isPressed = opener.attempt(relieve)
      } catch {
        // Busy, most likely: the next one tries again. What is worse is told to who stores next.
      }
    },
  }
}
