import { FileSignalError } from '../errors.js'
import { checkKeys } from '../stream/keys.js'

/** Keys of a stream: one, several, or a function of the request that names them; null refuses with 403. */
export type Keys<Context> = string | readonly string[] | KeysOf<Context>

export type KeysOf<Context> = (context: Context) => KeysAnswer | Promise<KeysAnswer>
export type KeysAnswer = string | readonly string[] | null | undefined

/** Keys that are checked already, or the function that names them for each request. */
export type KeySource<Context> = readonly string[] | KeysOf<Context>

/** Checks keys that are known already, once and for all. Throws KEY_INVALID and OPTION_INVALID. */
export function createKeySource<Context>(keys: Keys<Context>): KeySource<Context> {
  if (typeof keys === 'function') return keys
  const fixed = checkKeys(keys)
  if (fixed.length > 0) return fixed
  throw new FileSignalError('OPTION_INVALID', 'a stream was given no keys', {
    remedy: 'name at least one, or give a function that answers null to refuse',
  })
}
