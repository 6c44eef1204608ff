import type { Entry } from '../record.js'
import type { Violation } from './violation.js'

/** More resets for one reader than the faults up to then can have caused. */
export function checkResets(readers: readonly string[], entries: readonly Entry[]): Violation[] {
  const violations: Violation[] = []
  for (const reader of readers) {
    let caused = 0
    let count = 0
    for (const entry of entries) {
      if (entry.type === 'action') caused += entry.resets
      if (entry.type !== 'reset' || entry.reader !== reader) continue
      count += 1
      if (count <= caused) continue
      const what = `got its reset number ${count} (${entry.reason}, at ${entry.id}), while the faults so far account for ${caused}`
      violations.push({ rule: 'resets', t: entry.t, who: reader, what, id: entry.id })
      break
    }
  }
  return violations
}
