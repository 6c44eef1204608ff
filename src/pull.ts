import { FileSignalError, quote } from './errors.js'

/** What hands out items one by one, at once or after a while. */
export type Source = Iterable<unknown> | AsyncIterable<unknown>

/** Returns the source, or throws OPTION_INVALID. A text counts: it is an iterable of its characters. */
export function checkSource(source: unknown): Source {
  if (typeof source === 'string') return source
  if (typeof source === 'object' && source !== null) {
    if (Symbol.asyncIterator in source || Symbol.iterator in source) return source as Source
  }
  throw new FileSignalError('OPTION_INVALID', `from() was given ${quote(source)}`, {
    remedy: 'pass an iterable or an async iterable',
  })
}

/**
 * Hands every item of a source to `take`, and waits for it, until the source is at its end. Rejects with what
 * either throws, and as soon as `broken` rejects: a source may be silent for long. Then it is told to stop.
 */
export async function pull(
  source: Source,
  take: (item: unknown) => Promise<void>,
  broken: Promise<unknown>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
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
      else Promise.resolve(iterator.next()).then(resolve, reject)
    })
  }

  let exhausted = false
  try {
    for (;;) {
      const { done, value } = await next()
      exhausted = done === true
      if (exhausted) return
      await take(await value)
    }
  } finally {
    // A generator that is waiting obeys when it gets what it waits for; nobody waits for that.
    if (!exhausted) void stop(iterator)
  }
}

async function stop(iterator: Iterator<unknown> | AsyncIterator<unknown>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // What it says when it is told to stop concerns nobody any more.
  }
}
