import type { Fault } from './actions/fault.js'
import { FAULTS, GROUPS } from './actions/faults.js'
import { createRandom } from './random.js'

/** One fault of a run: when it is due, in milliseconds from the beginning, and the seed of what it chooses itself. */
export interface Step {
  readonly index: number
  readonly at: number
  readonly seed: number
  readonly fault: Fault
}

/** Shortest and longest pause between two faults of a lane, in milliseconds. */
const PAUSES = { store: [200, 2500], hosts: [50, 1200] } as const

/** The kinds that are named, by kind or by group; all where none is. */
export function kindsOf(only: readonly string[], without: readonly string[]): Fault[] {
  const named = (names: readonly string[]) =>
    names.flatMap((name) => {
      const found = GROUPS[name] ?? FAULTS.filter(({ kind }) => kind === name)
      if (found.length > 0) return found
      throw new Error(
        `there is no fault "${name}"; there are: ${[...Object.keys(GROUPS), ...FAULTS.map(({ kind }) => kind)].join(', ')}`,
      )
    })
  const excluded = new Set(named(without))
  const chosen = new Set(only.length > 0 ? named(only) : FAULTS)
  return FAULTS.filter((fault) => chosen.has(fault) && !excluded.has(fault))
}

/** What happens when, in a run of so many milliseconds: the same for the same seed and kinds. */
export function planOf(seed: number, faults: readonly Fault[], ms: number): Step[] {
  const steps: Omit<Step, 'index'>[] = []
  for (const lane of ['store', 'hosts'] as const) {
    const random = createRandom(seed * 2 + (lane === 'store' ? 0 : 1))
    const own = faults.filter((fault) => fault.lane === lane)
    let deck: Fault[] = []
    if (own.length === 0) continue
    for (let at = 1000; at < ms; at += random.whole(PAUSES[lane][0], PAUSES[lane][1])) {
      // From a shuffled deck, so that each kind has its turn before one comes again.
      if (deck.length === 0) deck = [...own]
      const fault = random.pick(deck)
      deck = deck.filter((other) => other !== fault)
      steps.push({ at, seed: random.whole(0, 2 ** 31), fault })
    }
  }
  return steps.sort((a, b) => a.at - b.at).map((step, index) => ({ index, ...step }))
}
