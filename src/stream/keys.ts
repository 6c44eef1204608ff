import { FileSignalError } from '../errors.js'
import { checkKey } from '../event.js'

/** Keys that one stream may listen to. */
export const MAX_KEYS = 1000

/**
 * The keys of one stream, each once; none for an empty list.
 * Throws KEY_INVALID, and OPTION_INVALID for more than 1000.
 */
export function checkKeys(keys: unknown): readonly string[] {
  if (!Array.isArray(keys)) return [checkKey(keys)]
  const unique = [...new Set(keys.map(checkKey))]
  if (unique.length <= MAX_KEYS) return unique
  throw new FileSignalError('OPTION_INVALID', `a stream was given ${unique.length} keys`, {
    remedy: `use at most ${MAX_KEYS}, or one key for what is sent to many`,
  })
}
