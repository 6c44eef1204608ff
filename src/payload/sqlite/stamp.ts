/** The earliest time that the schema takes, in 2001: it catches writers that store seconds. */
export const EARLIEST = 1_000_000_000_000
/** Nobody has stored an event in the year after that: such a row was stored by a machine whose clock was not set yet. */
const CLOCKLESS = EARLIEST + 365 * 24 * 3_600_000

/** What a row is stamped with now, in milliseconds since 1970. A board without a clock is in 1970: its events arrive all the same. */
export function stamp(): number {
  return Math.max(Date.now(), EARLIEST)
}

/** False for the time of a clock that was not set yet. */
export function isClock(at: number): boolean {
  return at > CLOCKLESS
}
