/** How many events of which key have come in the last minute. */
export interface Rates {
  /** An event of `key`, at `now` as of performance.now(). */
  count(key: string, now: number): void
  /** Events of the last minute by key, without keys that had none. */
  read(now: number): ReadonlyMap<string, number>
}

/** Keys that are counted in one step; more than that are not, and cost nothing. */
export const MOST_KEYS = 1000

/** Milliseconds that are counted together. */
const STEP = 5000
const STEPS = 12

interface Counted {
  /** Which step of time it stands for. */
  step: number
  readonly counts: Map<string, number>
}

/** Counts in steps of five seconds, and forgets those that are older than a minute. */
export function createRates(): Rates {
  const ring: Counted[] = Array.from({ length: STEPS }, () => ({ step: -1, counts: new Map() }))

  function at(now: number): Map<string, number> {
    const step = Math.floor(now / STEP)
    const counted = ring[step % STEPS] as Counted
    if (counted.step !== step) {
      counted.counts.clear()
      counted.step = step
    }
    return counted.counts
  }

  return {
    count: (key, now) => {
      const counts = at(now)
      const known = counts.get(key)
      if (known !== undefined) counts.set(key, known + 1)
      else if (counts.size < MOST_KEYS) counts.set(key, 1)
    },
    read: (now) => {
      const oldest = Math.floor(now / STEP) - STEPS
      const total = new Map<string, number>()
      for (const { step, counts } of ring) {
        if (step <= oldest) continue
        for (const [key, count] of counts) total.set(key, (total.get(key) ?? 0) + count)
      }
      return total
    },
  }
}
