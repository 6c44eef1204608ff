import { FileSignalError, messageOf } from './errors.js'

/**
 * Calls a function of the application's whose answer nobody waits for. What it throws goes to `onFailure`, and what a
 * promise of its rejects with: unlooked after, a rejection would end the process.
 */
export function callSafely(call: () => unknown, onFailure: (error: unknown) => void): void {
  try {
    const given = call()
    // Also for what only looks like a promise: its `then` is called in a turn of its own, and may throw there.
    if (isThenable(given)) Promise.resolve(given).then(undefined, onFailure)
  } catch (error) {
    onFailure(error)
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false
  return typeof (value as { then?: unknown }).then === 'function'
}

/** The function `callback` of the option `name`, null for none, so that it may be called without a thought: it fails as HOOK_FAILED. */
export function guarded<Arguments extends unknown[]>(
  name: string,
  callback: ((...given: Arguments) => unknown) | null,
  report: (error: FileSignalError) => void,
): (...given: Arguments) => void {
  if (callback === null) return () => {}
  return (...given) =>
    callSafely(
      () => callback(...given),
      (cause) =>
        report(new FileSignalError('HOOK_FAILED', `${name} failed (${messageOf(cause)})`, { cause })),
    )
}
