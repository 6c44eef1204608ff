import { FileSignalError, quote } from './errors.js'

/** Reasons that file-signal gives itself; beside them there are those given to `end(key, { reason })`. */
export const REASONS = Object.freeze({
  /** The process that wrote to the key is gone, or stood still for longer than its lease. */
  lost: 'lost',
  /** A writer was aborted. */
  aborted: 'aborted',
  /** What fed the writer threw, or gave something that cannot be stored. */
  failed: 'failed',
})

const LONGEST = 200
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** Returns why a key ends, null for an end as it should be; throws OPTION_INVALID. */
export function checkReason(reason: unknown): string | null {
  if (reason === undefined || reason === null) return null
  if (isReason(reason)) return reason
  throw new FileSignalError('OPTION_INVALID', `reason is ${quote(reason)}`, {
    remedy: `use a text of 1 to ${LONGEST} characters without control characters`,
  })
}

/** The payload of an end row, as docs/protocol.md has it. */
export function encodeEnding(reason: string | null): string {
  return reason === null ? 'null' : JSON.stringify({ reason })
}

/** The reason in the payload of an end row, null where it has none: other programs may store anything there. */
export function readReason(payload: string): string | null {
  if (!payload.startsWith('{')) return null
  try {
    const { reason }: { reason?: unknown } = JSON.parse(payload)
    return isReason(reason) ? reason : null
  } catch {
    return null
  }
}

function isReason(reason: unknown): reason is string {
  if (typeof reason !== 'string' || reason === '' || CONTROL.test(reason)) return false
  return [...reason].length <= LONGEST && reason.isWellFormed()
}
