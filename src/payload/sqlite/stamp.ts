/** The earliest time that the schema takes, in 2001: it catches writers that store seconds. */
export const EARLIEST = 1_000_000_000_000
/** Milliseconds after that in which nobody has stored an event: such a row is from a machine whose clock was not set. */
const UNSET = 365 * 24 * 3_600_000

/**
 * What a row is stamped with now, in milliseconds since 1970. A board without a clock is in 1970, and its events arrive
 * all the same: its time is counted from the earliest one.
 */
export function stamp(): number {
  const now = Date.now()
  return now >= EARLIEST ? now : EARLIEST + (Math.abs(now) % UNSET)
}

/** False for the time of a clock that was not set yet. */
export function isClock(at: number): boolean {
  return at > EARLIEST + UNSET
}
