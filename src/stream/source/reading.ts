import { performance } from 'node:perf_hooks'
import { setImmediate as immediate } from 'node:timers/promises'
import { type Items, letGo, stepOf } from '../../iterable.js'

export interface ReadingSite {
  /** Takes one item. False: no more until `resume()`. */
  readonly onItem: (item: unknown) => boolean
  readonly onEnd: () => void
  /** Called with what the iterator threw; nothing follows. */
  readonly onFailure: (error: unknown) => void
}

/** The reading of one iterator to its end. */
export interface Reading {
  resume(): void
  /** Reads no more, and tells the iterator so. Idempotent. */
  stop(): void
}

/** Milliseconds of reading after which the loop gets its turn: an iterator that never waits would keep it. */
const SLICE = 5

/** Reads the iterator that `open` gives, item by item, as fast as they are taken. What `open` throws is a failure. */
export function createReading(open: () => Items, site: ReadingSite): Reading {
  let over = false
  let items: Items | null = null
  let paused: (() => void) | null = null

  async function read(): Promise<void> {
    let since = performance.now()
    items = open()
    while (!over) {
      const step = stepOf(await items.next())
      if (over) return
      if (step.done) {
        over = true
        return site.onEnd()
      }
      // Those of a sync iterator may be promises.
      const item = await step.value
      if (over) return
      if (!site.onItem(item) && !over) await pause()
      if (performance.now() - since < SLICE) continue
      await immediate()
      since = performance.now()
    }
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      paused = resolve
    })
  }

  function resume(): void {
    paused?.()
    paused = null
  }

  function stop(): void {
    if (over) return
    over = true
    resume()
    if (items) letGo(items)
  }

  read().catch((error) => {
    if (over) return
    stop()
    site.onFailure(error)
  })
  return { resume, stop }
}
