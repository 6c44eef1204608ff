import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Puts items that arrive in groups into batches of at most `size`, and of at most `bytes` together where one item is
 * not more than that.
 *
 * Full ones go at once, the others when nothing has come for `patience` ms: a batch is for speed, and an
 * event from a pipe that is live must not wait for 499 others.
 */
export async function* inBatches<T extends { readonly bytes: Uint8Array }>(
  groups: AsyncGenerator<T[], void>,
  { size, bytes }: BatchLimits,
  patience: number,
): AsyncGenerator<T[], void> {
  /** How many items fill a batch; null where there is room for more. */
  function endOf(items: readonly T[]): number | null {
    let sum = 0
    const over = items.findIndex((item, i) => {
      sum += item.bytes.length
      return i === size || (i > 0 && sum > bytes)
    })
    if (over !== -1) return over
    return items.length === size ? size : null
  }

  let batch: T[] = []
  let next: Promise<IteratorResult<T[], void>> | null = null
  try {
    for (;;) {
      next ??= groups.next()
      const result = batch.length === 0 ? await next : await within(next, patience)
      if (result === null) {
        yield batch
        batch = []
        continue
      }
      next = null
      if (result.done) break
      batch.push(...result.value)
      for (let end = endOf(batch); end !== null; end = endOf(batch)) yield batch.splice(0, end)
    }
    if (batch.length > 0) yield batch
  } finally {
    await groups.return()
  }
}

/** What fills a batch. */
export interface BatchLimits {
  readonly size: number
  readonly bytes: number
}

/** What the promise gives, or null if that takes longer than `ms`. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | null> {
  // Should it fail later, whoever waits for it next will hear of it.
  promise.catch(() => {})
  const stop = new AbortController()
  const timer = sleep(ms, null, { signal: stop.signal }).catch(() => null)
  try {
    return await Promise.race([promise, timer])
  } finally {
    stop.abort()
  }
}
