import { performance } from 'node:perf_hooks'

/**
 * A steady pace: returns how many milliseconds are left until the next turn, counted from the making of the pace.
 * Turns that have passed are left out, so one that comes late does not put off the ones behind it.
 */
export function createPace(every: number): () => number {
  const began = performance.now()
  let turn = 0
  return () => {
    const elapsed = performance.now() - began
    // A timer may fire a little early: the turn it fires for counts all the same.
    turn = Math.max(turn, Math.floor(elapsed / every)) + 1
    return turn * every - elapsed
  }
}
