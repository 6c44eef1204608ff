import { isClock } from './stamp.js'

/** A row or a mark, as it was stamped. */
export interface Stamped {
  readonly n: number
  readonly at: number
}

/** Finds how far what is stored is too old, although clocks were wrong when some of it was stamped. */
export interface Ages {
  /** Takes what comes next, in the order of its numbers. */
  look(next: readonly Stamped[]): void
  /** All up to this number is too old; 0 where nothing is. */
  readonly old: number
  /** True where what follows is younger still. */
  readonly isOver: boolean
  /** The last one seen that says nothing of its age, null where one that does has come after it. */
  readonly odd: Stamped | null
}

/**
 * Begins to look, at `now`, for what is from before `limit`.
 *
 * Numbers rise in time, so neighbours tell of each other. A stamp ahead of now, or from before the clock was set, says
 * nothing: such a row is as old as the next one that says something. The first one that is young makes all behind it
 * young, whatever they say, for a clock that is set back is no reason to delete what has just been stored. `known` says
 * that all up to its number was there at its time; it tells of those behind which nothing else comes.
 */
export function createAges(now: number, limit: number, known: Stamped | null = null): Ages {
  const isHonest = (at: number): boolean => at <= now && isClock(at)
  let old = known && isHonest(known.at) && known.at < limit ? known.n : 0
  let isOver = false
  let odd: Stamped | null = null

  return {
    look: (next) => {
      for (const stamped of next) {
        if (!isHonest(stamped.at)) odd = stamped
        else {
          odd = null
          if (stamped.at >= limit) {
            isOver = true
            return
          }
          old = Math.max(old, stamped.n)
        }
      }
    },
    get old() {
      return old
    },
    get isOver() {
      return isOver
    },
    get odd() {
      return odd
    },
  }
}
