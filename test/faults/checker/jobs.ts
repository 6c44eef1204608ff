import { type Acknowledged, type Entry, JOBS, type Job } from '../record.js'
import type { Violation } from './violation.js'

/** Milliseconds for which a job may wait: a claim that nobody told the end of runs for 30 s. */
const WAITING = 45_000

/**
 * Jobs that never came, and jobs that came twice.
 *
 * A job leaves with the store that holds it, and mailboxes are told of no reset: a fault that takes rows away explains
 * what was stored shortly before. A crash, a cut socket or an older state of the store explains a second delivery.
 */
export function checkJobs(entries: readonly Entry[]): Violation[] {
  const got = new Map<string, Job[]>()
  for (const entry of entries) {
    if (entry.type !== 'job') continue
    const jobs = got.get(entry.nonce)
    if (jobs) jobs.push(entry)
    else got.set(entry.nonce, [entry])
  }
  return [...lost(entries, got), ...doubled(entries, got)]
}

function lost(entries: readonly Entry[], got: ReadonlyMap<string, Job[]>): Violation[] {
  const jobs = entries.filter((entry) => entry.type === 'acked' && entry.key === JOBS) as Acknowledged[]
  return jobs
    .filter(({ nonce }) => !got.has(nonce))
    .filter(({ began, t }) => !faultBetween(entries, began - 1000, t + WAITING, (lossy) => lossy))
    .map(({ t, id, nonce, by }) => ({
      rule: 'job-lost',
      t,
      who: by,
      what: `nobody got the job ${id} (${nonce})`,
      id,
    }))
}

function doubled(entries: readonly Entry[], got: ReadonlyMap<string, Job[]>): Violation[] {
  const violations: Violation[] = []
  for (const jobs of got.values()) {
    for (const [i, job] of jobs.entries()) {
      const before = jobs[i - 1]
      // The second one was dealt out up to a lease after what hindered the first from being told as taken.
      if (!before || faultBetween(entries, before.t - 5000, job.t, () => true)) continue
      const what = `${job.id} (${job.nonce}) went to ${before.reader} as ${before.id}, and then to ${job.reader}, with no fault in between`
      violations.push({ rule: 'job-doubled', t: job.t, who: job.reader, what, id: job.id })
    }
  }
  return violations
}

function faultBetween(
  entries: readonly Entry[],
  from: number,
  to: number,
  counts: (lossy: boolean) => boolean,
): boolean {
  const running = new Set<number>()
  for (const entry of entries) {
    if (entry.t > to) break
    if (entry.type === 'action' && counts(entry.lossy)) running.add(entry.index)
    // What one does may come at its very end.
    if (entry.type === 'done' && entry.t < from) running.delete(entry.index)
  }
  return running.size > 0
}
