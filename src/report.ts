import { FileSignalError, messageOf } from './errors.js'
import { callSafely } from './safe-call.js'

/** Where failures go that no caller waits for. */
export type Report = (error: unknown) => void

/**
 * Hands failures to `onError`, or, without one, to Node as a process warning, which is printed and never ends the
 * process. Where `onError` itself fails, at once or by a promise, the failure and the one that it was given are
 * warnings too: HOOK_FAILED. Never throws.
 */
export function createReport(onError: ((error: FileSignalError) => unknown) | null): Report {
  return (error) => {
    const fault = isOurs(error)
      ? error
      : new FileSignalError('STREAM_FAILED', messageOf(error), { cause: error })
    if (onError === null) return warn(fault)
    callSafely(
      () => onError(fault),
      (cause) => {
        warn(fault)
        warn(new FileSignalError('HOOK_FAILED', `onError failed (${messageOf(cause)})`, { cause }))
      },
    )
  }
}

function isOurs(error: unknown): error is FileSignalError {
  try {
    return error instanceof FileSignalError
  } catch {
    // A proxy that was revoked.
    return false
  }
}

function warn(fault: FileSignalError): void {
  process.emitWarning(fault.message, { type: 'FileSignalWarning', code: fault.code })
}
