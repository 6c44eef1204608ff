/** How often something took how long, since the start. Two of them tell what was in between. */
export interface Histogram {
  /** Upper bounds in milliseconds, each with what equals it. Always the same. */
  readonly bounds: readonly number[]
  /** How often each bound was the first that was not exceeded; one more entry for what exceeded them all. */
  readonly counts: readonly number[]
  readonly count: number
  /** Milliseconds together. */
  readonly sum: number
}

/** A histogram that is still being filled. */
export interface Latency {
  /** `ms` below 0 counts as 0: the clock may be set while an event is under way. */
  observe(ms: number): void
  read(): Histogram
}

/** Whole milliseconds: rows carry no more, and a mean over many is exact all the same. */
const BOUNDS = Object.freeze([
  0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000, 10_000, 60_000,
])

/** A histogram with fixed bounds: observing costs a walk over a few numbers, and it never grows. */
export function createLatency(): Latency {
  const counts = new Array<number>(BOUNDS.length + 1).fill(0)
  let count = 0
  let sum = 0
  return {
    observe: (ms) => {
      const took = Math.max(0, ms)
      let i = 0
      while (i < BOUNDS.length && took > (BOUNDS[i] as number)) i += 1
      counts[i] = (counts[i] as number) + 1
      count += 1
      sum += took
    },
    read: () => ({ bounds: BOUNDS, counts: [...counts], count, sum }),
  }
}
