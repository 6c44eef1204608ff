import { readFileSync } from 'node:fs'
import { attempt } from './attempt.js'

/** The soft limit of that name in /proc/self/limits; null where there is none, or none can be read. */
export function limitOf(name: string): number | null {
  const list = attempt(() => readFileSync('/proc/self/limits', 'utf8'))
  const found = list?.split('\n').find((line) => line.startsWith(`${name} `))
  const soft = Number(found?.slice(name.length).trim().split(/\s+/)[0])
  return Number.isSafeInteger(soft) ? soft : null
}

/** What the types for Node 20 leave out. */
interface Report {
  excludeNetwork: boolean
  getReport(): { userLimits?: { open_files?: { soft?: unknown } } }
}

let known: number | null = null

/** How many files this process may have open; null where that is unknown. At the limit no file can be read to learn it. */
export function limitOfOpenFiles(): number | null {
  known = limitOf('Max open files') ?? known ?? attempt(reportedLimit)
  return known
}

function reportedLimit(): number | null {
  const report = process.report as unknown as Report
  const before = report.excludeNetwork
  // Otherwise the report looks up the names of all peers: seconds, where the name server is slow.
  report.excludeNetwork = true
  try {
    const soft = Number(report.getReport().userLimits?.open_files?.soft)
    return Number.isSafeInteger(soft) ? soft : null
  } finally {
    report.excludeNetwork = before
  }
}
