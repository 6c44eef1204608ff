import { codeOf, FileSignalError } from '../errors.js'

/** Reports the first of a row of failures: a store that is gone fails every stream at every sweep. */
export interface Outage {
  failed(error: unknown): void
  /** Something worked again, so the next failure is news. */
  worked(): void
}

/** `what` begins the message for failures that carry no code of their own; those become STREAM_FAILED. */
export function createOutage(what: string, report: (error: FileSignalError) => void): Outage {
  let lasting = false
  return {
    failed: (error) => {
      // Who closes an instance knows it; what was still under way need not say so.
      if (lasting || codeOf(error) === 'CLOSED') return
      lasting = true
      report(asReported(error, what))
    },
    worked: () => {
      lasting = false
    },
  }
}

/** The error itself where it has a code, else STREAM_FAILED with the error as its cause. */
export function asReported(error: unknown, what: string): FileSignalError {
  if (error instanceof FileSignalError) return error
  const why = error instanceof Error ? error.message : String(error)
  return new FileSignalError('STREAM_FAILED', `${what} (${why})`, { cause: error })
}
