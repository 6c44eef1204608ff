import type { Violation } from './checker/violation.js'
import type { Entry } from './record.js'
import type { Outcome } from './run-faults.js'

/** How a run went, in lines: the counts, the verdict, and of what is wrong the first of each kind with its surroundings. */
export function story({ entries, violations, skipped, folder, began }: Outcome): string[] {
  const count = (type: Entry['type']) => entries.filter((entry) => entry.type === type).length
  const kinds = new Map<string, number>()
  for (const entry of entries)
    if (entry.type === 'action') kinds.set(entry.kind, (kinds.get(entry.kind) ?? 0) + 1)
  const codes = new Map<string, number>()
  for (const entry of entries)
    if (entry.type === 'rejected') codes.set(entry.code, (codes.get(entry.code) ?? 0) + 1)
  return [
    `acknowledged ${count('acked')}, delivered ${count('got')} and ${count('job')} jobs, resets ${count('reset')}, connections ${count('open')}`,
    `rejected ${count('rejected')}${list(codes)}; reported ${count('report')}`,
    `faults ${count('action')}${list(kinds)}`,
    ...skipped.map((why) => `skipped ${why}`),
    ...(violations.length === 0 ? ['verdict: all held'] : wrong(entries, violations, folder, began)),
  ]
}

function list(counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? '' : ` (${[...counts].map(([name, n]) => `${name} ${n}`).join(', ')})`
}

function wrong(
  entries: readonly Entry[],
  violations: readonly Violation[],
  folder: string,
  began: number,
): string[] {
  const byRule = new Map<string, Violation[]>()
  for (const violation of violations)
    byRule.set(violation.rule, [...(byRule.get(violation.rule) ?? []), violation])
  const lines = [
    `verdict: ${violations.length} wrong: ${[...byRule].map(([rule, all]) => `${rule} ${all.length}`).join(', ')}; the log is in ${folder}`,
  ]
  for (const [rule, all] of byRule) {
    const first = all[0] as Violation
    lines.push(
      '',
      `${rule}: at ${seconds(first.t, began)} ${first.who} ${first.what}`,
      ...around(entries, first, began),
    )
  }
  return lines
}

/** The faults before and after, what was reported, and all that was told about the event. */
function around(entries: readonly Entry[], { t, id, who }: Violation, began: number): string[] {
  return entries
    .filter((entry) => {
      if ('id' in entry && id !== null && entry.id === id) return true
      const isNear = entry.t > t - 6000 && entry.t < t + 3000
      if (!isNear) return false
      if (entry.type === 'done' || entry.type === 'action' || entry.type === 'unhealed') return true
      if (entry.type === 'report') return true
      return 'reader' in entry && entry.reader === who && entry.type !== 'got' && entry.type !== 'job'
    })
    .slice(0, 40)
    .map((entry) => {
      const { t: at, ...rest } = entry
      return `  ${seconds(at, began)} ${JSON.stringify(rest).slice(0, 220)}`
    })
}

function seconds(t: number, began: number): string {
  return `${((t - began) / 1000).toFixed(2)} s`
}
