import { performance } from 'node:perf_hooks'

/** Something that wants to be asked now and then what time has brought. */
export interface Ticking {
  /** The finest time it has to keep, in milliseconds. */
  readonly finest: number
  /** `now` as of performance.now(); the next tick comes `step` milliseconds later. */
  tick(now: number, step: number): void
}

/** One interval for everything that waits, running only while something does. */
export interface Ticker {
  add(member: Ticking): void
  delete(member: Ticking): void
}

const LONGEST_STEP = 1000
const SHORTEST_STEP = 5

/** Ticks four times in the finest time any member keeps, between 5 ms and 1 s. */
export function createTicker(): Ticker {
  const members = new Set<Ticking>()
  let timer: NodeJS.Timeout | null = null
  let step = LONGEST_STEP

  function run(wanted: number): void {
    if (timer) clearInterval(timer)
    step = wanted
    timer = setInterval(tick, step)
  }

  function tick(): void {
    const now = performance.now()
    for (const member of members) member.tick(now, step)
  }

  return {
    add: (member) => {
      members.add(member)
      const wanted = Math.min(LONGEST_STEP, Math.max(SHORTEST_STEP, member.finest / 4))
      if (!timer || wanted < step) run(wanted)
    },
    delete: (member) => {
      members.delete(member)
      if (members.size > 0 || !timer) return
      clearInterval(timer)
      timer = null
    },
  }
}
