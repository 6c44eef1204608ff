import { FileSignalError } from './errors.js'

/** Where failures go that no caller waits for. */
export type Report = (error: unknown) => void

/**
 * Hands failures to `onError`, or, without one, to Node as a process warning, which is printed and
 * never ends the process. An `onError` that throws is answered with a warning too.
 */
export function createReport(onError: ((error: FileSignalError) => void) | null): Report {
  return (error) => {
    const fault =
      error instanceof FileSignalError
        ? error
        : new FileSignalError('STREAM_FAILED', error instanceof Error ? error.message : String(error), {
            cause: error,
          })
    if (onError === null) return warn(fault)
    try {
      onError(fault)
    } catch (failure) {
      warn(fault)
      warn(new FileSignalError('STREAM_FAILED', 'onError threw', { cause: failure }))
    }
  }
}

function warn(fault: FileSignalError): void {
  process.emitWarning(fault.message, { type: 'FileSignalWarning', code: fault.code })
}
