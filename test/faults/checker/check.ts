import type { Acknowledged, Entry } from '../record.js'
import { checkIds, checkRejected } from './ids.js'
import { checkJobs } from './jobs.js'
import { lossesOf } from './losses.js'
import { checkResets } from './resets.js'
import { storedAgain, stretchesOf } from './stretches.js'
import type { Violation } from './violation.js'

/** Readers by name, with the keys that each listens to. */
export type Readers = ReadonlyMap<string, readonly string[]>

/** All that the log of a run shows to be wrong, oldest first. The entries are in the order in which they were logged. */
export function check(readers: Readers, entries: readonly Entry[]): Violation[] {
  const violations = [
    ...checkIds(entries),
    ...checkRejected(entries),
    ...checkResets([...readers.keys()], entries),
    ...checkJobs(entries),
    ...checkHealing(entries),
  ]
  const acked = entries.filter((entry) => entry.type === 'acked') as Acknowledged[]
  const again = storedAgain(entries)
  for (const [reader, keys] of readers) {
    const [stretches, wrong] = stretchesOf(reader, entries, again)
    const wanted = acked.filter(({ key }) => keys.includes(key))
    violations.push(...wrong, ...lossesOf(reader, wanted, stretches, entries))
  }
  return violations.sort((a, b) => a.t - b.t)
}

/** What the run itself found not to have healed, and a store that is not well though nothing was reported. */
function checkHealing(entries: readonly Entry[]): Violation[] {
  const reported = new Set<string>()
  const violations: Violation[] = []
  for (const entry of entries) {
    if (entry.type === 'report') reported.add(`${entry.by} ${entry.code}`)
    if (entry.type === 'unhealed')
      violations.push({ rule: 'unhealed', t: entry.t, who: entry.who, what: entry.what, id: null })
    if (entry.type !== 'health' || entry.code === null || reported.has(`${entry.by} ${entry.code}`)) continue
    const what = `says that its store has ${entry.code}, and never reported that: ${entry.message}`
    violations.push({ rule: 'unhealed', t: entry.t, who: entry.by, what, id: null })
  }
  return violations
}
