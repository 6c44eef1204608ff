import { FileSignalError, quote } from '../errors.js'
import { type AnyIterable, isIterable, itemsOf, letGo, stepOf } from '../iterable.js'

/** Returns what `from()` was given, or throws OPTION_INVALID. */
export function checkIterable(source: unknown): AnyIterable {
  if (isIterable(source)) return source
  throw new FileSignalError('OPTION_INVALID', `from() was given ${quote(source)}`, {
    remedy: remedyFor(source),
  })
}

function remedyFor(source: unknown): string {
  if (typeof source === 'function') return 'call it: from() takes the iterable that it gives'
  if (typeof source === 'string' || ArrayBuffer.isView(source)) {
    return 'put it into an array: from() takes an iterable of chunks'
  }
  return 'pass an iterable or an async iterable'
}

/**
 * Hands every item of a source to `take`, and waits for it, until the source is at its end. Rejects with what
 * either throws, and as soon as `broken` rejects: a source may be silent for long. Then it is told to stop.
 */
export async function pull(
  source: AnyIterable,
  take: (item: unknown) => Promise<void>,
  broken: Promise<unknown>,
): Promise<void> {
  const items = itemsOf(source)
  let failure: { error: unknown } | null = null
  let giveUp: (error: unknown) => void = () => {}
  broken.catch((error: unknown) => {
    failure = { error }
    giveUp(error)
  })

  /** One waiter at a time: racing each item against `broken` would leave a reaction on it for each. */
  function next(): Promise<IteratorResult<unknown>> {
    return new Promise((resolve, reject) => {
      giveUp = reject
      if (failure) reject(failure.error)
      else Promise.resolve(items.next()).then(stepOf).then(resolve, reject)
    })
  }

  try {
    for (let step = await next(); !step.done; step = await next()) await take(await step.value)
  } catch (error) {
    letGo(items)
    throw error
  }
}
