import { performance } from 'node:perf_hooks'

/** The share of its time that looking may take, and the longest rest after a look, in milliseconds. */
const SHARE = 0.001
const LONGEST = 30_000

/**
 * `look`, asked again only after 1,000 times what it took the last time, or half a minute; until then its last answer
 * stands. Counting in a large store takes milliseconds in which no stream is served.
 */
export function createRested<T extends object>(look: () => Promise<T>): () => Promise<T> {
  let last: T | null = null
  let restUntil = 0
  return async () => {
    const began = performance.now()
    if (last && began < restUntil) return last
    last = await look()
    const end = performance.now()
    restUntil = end + Math.min(LONGEST, (end - began) / SHARE)
    return last
  }
}
