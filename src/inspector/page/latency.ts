import type { LatencyShown } from '../shown.js'

/** What one second was like: each time is the bound, in milliseconds, that so many of its events kept. */
export interface Second {
  readonly p50: number
  readonly p99: number
  readonly worst: number
}

/** What came between two looks at the same histogram; null where nothing did. */
export function between(before: LatencyShown, now: LatencyShown): Second | null {
  const counts = now.counts.map((value, index) => value - (before.counts[index] ?? 0))
  const all = counts.reduce((sum, value) => sum + value, 0)
  if (all <= 0) return null
  return { p50: kept(0.5), p99: kept(0.99), worst: kept(1) }

  /** The bound that this share of them kept. What is above the last bound is shown as twice that. */
  function kept(share: number): number {
    let left = Math.ceil(share * all)
    for (const [index, value] of counts.entries()) {
      left -= value
      if (left <= 0) return now.bounds[index] ?? 2 * (now.bounds.at(-1) ?? 0)
    }
    return 0
  }
}
