import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Waits until `condition` returns something truthy, and resolves with it; asks every 5 ms.
 *
 * Rejects after `ms` with a message that says what was waited for, and with what `condition` threw last:
 * a condition that throws counts as not yet true.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  ms = 15_000,
): Promise<Exclude<T, null | undefined | false | 0 | ''>> {
  const deadline = performance.now() + ms
  for (;;) {
    let cause: unknown
    try {
      const result = await condition()
      if (result) return result as Exclude<T, null | undefined | false | 0 | ''>
    } catch (error) {
      cause = error
    }
    if (performance.now() >= deadline) {
      const why = cause instanceof Error ? ` (${cause.message})` : ''
      throw new Error(`waited ${ms} ms for ${what}${why}`, cause === undefined ? undefined : { cause })
    }
    await sleep(5)
  }
}

/** Waits until nothing is counted for a while: watchers look again some time after they begin. */
export async function calm(count: () => Promise<string>): Promise<void> {
  await until(async () => {
    const before = await count()
    await sleep(250)
    return before === (await count())
  }, 'calm')
}
