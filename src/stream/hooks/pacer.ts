import { performance } from 'node:perf_hooks'

/** Lets many streams write in rounds, so that what comes while they write is joined and written in the next one. */
export interface Pacer {
  /** Calls `write` in the next round, which is at once after a calm. */
  request(write: () => void): void
  cancel(write: () => void): void
  close(): void
}

/**
 * Writing takes half of the time at most: after a round there is a pause as long as the round was. For a few
 * streams that is nothing. A thousand of them take ten milliseconds for one event and not much more for several, so
 * without a pause hooks that answer one by one would keep the process writing and fall behind.
 */
export function createPacer(): Pacer {
  const waiting = new Set<() => void>()
  let state: 'calm' | 'scheduled' | 'writing' = 'calm'
  let begun = 0
  let notBefore = 0
  let timer: NodeJS.Timeout | null = null

  function schedule(): void {
    if (state !== 'calm' || waiting.size === 0) return
    state = 'scheduled'
    const pause = notBefore - performance.now()
    if (pause <= 0) queueMicrotask(round)
    else timer = setTimeout(round, pause)
  }

  function round(): void {
    state = 'writing'
    timer = null
    begun = performance.now()
    const writes = [...waiting]
    waiting.clear()
    for (const write of writes) write()
    // Responses hand their bytes to the system at the end of the turn, and that is the dear part.
    setImmediate(finish)
  }

  function finish(): void {
    const now = performance.now()
    notBefore = now + (now - begun)
    state = 'calm'
    schedule()
  }

  return {
    request: (write) => {
      waiting.add(write)
      schedule()
    },
    cancel: (write) => {
      waiting.delete(write)
    },
    close: () => {
      waiting.clear()
      if (timer) clearTimeout(timer)
    },
  }
}
