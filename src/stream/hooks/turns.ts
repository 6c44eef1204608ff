import { performance } from 'node:perf_hooks'

/** Lets the hooks of many streams take turns, with each other and with everything else that the process does. */
export interface Turns {
  /** False where hooks have had their time in this turn of the loop. */
  hasTime(): boolean
  /** Calls `work` in the next turn that has time for it, after all who asked before. */
  later(work: () => void): void
  cancel(work: () => void): void
}

/**
 * Milliseconds of one turn of the loop that all hooks together may take. A thousand events to 500 streams are half a
 * million calls: in one go they would keep heartbeats, requests and all other streams waiting for seconds.
 */
const SLICE = 5

export function createTurns(): Turns {
  const waiting = new Set<() => void>()
  let until: number | null = null

  function hasTime(): boolean {
    const now = performance.now()
    if (until === null) {
      until = now + SLICE
      setImmediate(next)
    }
    return now < until
  }

  function next(): void {
    until = null
    for (const work of waiting) {
      if (!hasTime()) return
      waiting.delete(work)
      work()
    }
  }

  return {
    hasTime,
    later: (work) => {
      waiting.add(work)
    },
    cancel: (work) => {
      waiting.delete(work)
    },
  }
}
