import { codeOf, type ErrorCode, FileSignalError, messageOf } from '../errors.js'

/** Reports the first of a row of failures: a store that is gone fails every stream at every sweep. */
export interface Outage {
  failed(error: unknown): void
  /** Something worked again, so the next failure is news. */
  worked(): void
}

/**
 * `what` begins the message for failures that carry no code of their own; those become STREAM_FAILED. `recovered` is told
 * the code of what was reported when it is over.
 */
export function createOutage(
  what: string,
  report: (error: FileSignalError) => void,
  recovered: (code: ErrorCode) => void = () => {},
): Outage {
  let lasting: ErrorCode | null = null
  return {
    failed: (error) => {
      // Who closes an instance knows it; what was still under way need not say so.
      if (lasting || codeOf(error) === 'CLOSED') return
      const fault = asReported(error, what)
      lasting = fault.code
      report(fault)
    },
    worked: () => {
      if (lasting) recovered(lasting)
      lasting = null
    },
  }
}

/** The error itself where it has a code, else STREAM_FAILED with the error as its cause. */
export function asReported(error: unknown, what: string): FileSignalError {
  if (codeOf(error) !== '' && error instanceof FileSignalError) return error
  return new FileSignalError('STREAM_FAILED', `${what} (${messageOf(error)})`, { cause: error })
}
