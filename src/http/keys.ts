import { FileSignalError } from '../errors.js'
import { checkKeys } from '../stream/keys.js'

/** Keys of a stream: one, several, or a function of the request that names them; null refuses with 403. */
export type Keys<Context> =
  | string
  | readonly string[]
  | ((context: Context) => KeysAnswer | Promise<KeysAnswer>)

export type KeysAnswer = string | readonly string[] | null | undefined

/** Finds the keys of one request, each once; none where it is refused. Throws KEY_INVALID, OPTION_INVALID. */
export type KeySource<Context> = (context: Context) => Promise<readonly string[]>

/** Checks keys that are known already, once and for all. Throws KEY_INVALID and OPTION_INVALID. */
export function createKeySource<Context>(keys: Keys<Context>): KeySource<Context> {
  if (typeof keys === 'function') {
    return async (context) => {
      const answer = await keys(context)
      return answer === null || answer === undefined ? [] : checkKeys(answer)
    }
  }
  const fixed = checkKeys(keys)
  if (fixed.length === 0) {
    throw new FileSignalError('OPTION_INVALID', 'a stream was given no keys', {
      remedy: 'name at least one, or give a function that answers null to refuse',
    })
  }
  return async () => fixed
}
