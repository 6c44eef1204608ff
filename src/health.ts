import { type ErrorCode, FileSignalError } from './errors.js'
import type { Report } from './report.js'

/** How a part of an instance is: well, or with the trouble that it has reported last. */
export type Health = 'ok' | Trouble

export interface Trouble {
  readonly code: ErrorCode
  /** When it was reported, in milliseconds since 1970. */
  readonly at: number
  readonly message: string
}

/** Remembers what was reported of the store and of the signals. */
export interface HealthRecord {
  /** Remembers a report, and hands it on. */
  readonly report: Report
  store(): Health
  signal(): Health
}

export function createHealth(report: Report): HealthRecord {
  let store: Health = 'ok'
  let signal: Health = 'ok'

  function remember({ code, message }: FileSignalError): void {
    const trouble = { code, at: Date.now(), message }
    if (code.startsWith('STORE_')) store = trouble
    else if (code === 'SIGNAL_FAILED' || code === 'WATCH_FAILED') signal = trouble
  }

  return {
    report: (error) => {
      if (error instanceof FileSignalError) remember(error)
      report(error)
    },
    store: () => store,
    signal: () => signal,
  }
}
