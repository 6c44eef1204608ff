import { codeOf, type ErrorCode, FileSignalError } from './errors.js'
import type { Report } from './report.js'

/** How a part of an instance is: well, or in the trouble that it has reported last. */
export type Health = 'ok' | Trouble

export interface Trouble {
  readonly code: ErrorCode
  /** When it was reported, in milliseconds since 1970. */
  readonly at: number
  readonly message: string
}

/** What was reported in the life of an instance, and what of it is not over. */
export interface HealthRecord {
  /** Remembers a report, and hands it on. */
  readonly report: Report
  /** What was reported under this code works again. */
  recovered(code: ErrorCode): void
  /** A damaged store, and one on a network disk, are never well again. */
  store(): Health
  signal(): Health
  /** How often each code was reported. */
  reports(): ReadonlyMap<ErrorCode, number>
}

/** Remembers one trouble for each code: the catalogue bounds it. */
export function createHealth(report: Report): HealthRecord {
  const troubles = new Map<ErrorCode, Trouble>()
  const counts = new Map<ErrorCode, number>()

  function remember({ code, message }: FileSignalError): void {
    counts.set(code, (counts.get(code) ?? 0) + 1)
    // The newest one is the last.
    troubles.delete(code)
    troubles.set(code, { code, at: Date.now(), message })
  }

  function newest(isOf: (code: ErrorCode) => boolean): Health {
    return [...troubles.values()].findLast(({ code }) => isOf(code)) ?? 'ok'
  }

  return {
    report: (error) => {
      if (codeOf(error) !== '' && error instanceof FileSignalError) remember(error)
      report(error)
    },
    recovered: (code) => void troubles.delete(code),
    store: () =>
      newest((code) => code.startsWith('STORE_') || code === 'ROOT_GONE' || code === 'CLOCK_WRONG'),
    signal: () => newest((code) => code === 'SIGNAL_FAILED' || code === 'WATCH_FAILED'),
    reports: () => counts,
  }
}
