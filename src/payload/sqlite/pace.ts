import { setTimeout as pause } from 'node:timers/promises'

/** What a batch came to: milliseconds that it took, rows that it dealt with, and the newest row number then. */
export interface Batch {
  readonly time: number
  readonly rows: number
  readonly head: number
}

/** Gives pruning a share of the time: after each batch it rests several times as long as the batch took. */
export interface Pace {
  /** How long a batch should hold the event loop and the write lock, in milliseconds. */
  batchTime(): number
  /** Resolves when the next batch may begin, or when `signal` is aborted. */
  rest(batch: Batch, signal: AbortSignal): Promise<void>
}

/** More than this is left to nobody: streams and publishers must get their turns. */
const MOST = 0.8
/** How often the share is looked at anew, in milliseconds. */
const WINDOW = 500
const LONGEST_REST = 1000
const BATCH_TIME = 1
/** Rows that go together share pages: a long batch deletes several times as many in the same time. */
const LONGEST_BATCH = 10

/**
 * `share` is what pruning takes of the time, from 0 to 1, as long as it deletes faster than others store. Otherwise
 * the share doubles with each look, and so do the batches, or retention would not hold while somebody publishes as fast
 * as he can.
 */
export function createPace(share: number): Pace {
  let current = share
  let from = performance.now()
  let before: number | null = null
  let dealt = 0

  function look(head: number): void {
    const time = performance.now() - from
    if (before !== null && time < WINDOW) return
    // Between two passes others may have pruned.
    if (before !== null && time < 4 * WINDOW) {
      const stored = head - before
      if (dealt < stored * 1.25) current = Math.min(MOST, current * 2)
      else if (dealt > stored * 3) current = Math.max(share, current / 2)
    }
    from += time
    before = head
    dealt = 0
  }

  return {
    batchTime: () => Math.min(LONGEST_BATCH, (BATCH_TIME * current) / share),
    rest: async ({ time, rows, head }, signal) => {
      dealt += rows
      look(head)
      const rest = Math.min(time * (1 / current - 1), LONGEST_REST)
      await pause(rest, undefined, { signal }).catch(() => {})
    },
  }
}
