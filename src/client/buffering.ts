import { ask } from './ask.js'
import { APART, LATE, MISSED, NO_HELLO, PROBE, TOGETHER } from './times.js'
import type { Way } from './way.js'

/** Looks whether a stream comes through as it was sent. */
export interface StreamWatch {
  onBytes(): void
  onHello(): void
  close(): void
}

/**
 * Watches one stream from its request on. Slowness proves nothing, nor does a connection that breaks: `onJudged` is told
 * that streams are held back where a probe is answered while this one is silent, or where a probe is held back as well.
 * Where not a byte has come, and a probe comes through as it was sent, they are not: browsers take up connections that
 * died while they were idle.
 */
export function watchStream(way: Way, onJudged: (isHeld: boolean) => void, onClear: () => void): StreamWatch {
  const control = new AbortController()
  let timer: ReturnType<typeof setTimeout>
  let pieces = 0
  let hellos = 0
  let helloAt = 0

  function expect(ms: number): void {
    clearTimeout(timer)
    if (hellos > 1 || control.signal.aborted) return
    const due = Date.now() + ms
    // A timer that comes much later was slept over, and so was the stream.
    timer = setTimeout(() => (Date.now() > due + 1000 ? expect(ms) : look()), ms)
  }

  /** A network that stalls lets the stream go on before a probe, which takes half a second, has come to its end. */
  async function look(): Promise<void> {
    const before = pieces
    const gap = await probe(way, control)
    if (pieces !== before) expect(MISSED)
    else if (gap >= 0) onJudged(pieces > 0 || gap < APART)
  }

  async function judge(gap: number): Promise<void> {
    if (gap >= APART && gap < LATE) onClear()
    else if ((await probe(way, control)) < TOGETHER) onJudged(true)
  }

  expect(MISSED)
  return {
    onBytes: () => {
      if (!pieces++) expect(NO_HELLO)
    },
    onHello: () => {
      const now = performance.now()
      if (hellos++) judge(now - helloAt)
      expect(MISSED)
      helloAt = now
    },
    close: () => {
      clearTimeout(timer)
      control.abort()
    },
  }
}

/** Looks now and then whether the way lets streams through again. */
export interface WaySeeker {
  /** Begins, less and less often for each time that it has begun since a stream came through. */
  start(): void
  /** Begins with a look at once. */
  look(): void
  stop(): void
  /** A stream came through. */
  reset(): void
}

export function seekWay(way: Way, onClear: () => void): WaySeeker {
  let tries = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let control: AbortController | undefined

  function start(): void {
    stop()
    timer = setTimeout(look, tries ? Math.min(600_000, 15_000 * 2 ** tries) : 5000)
    tries++
  }

  async function look(): Promise<void> {
    stop()
    const own = new AbortController()
    control = own
    const gap = await probe(way, own)
    if (control !== own) return
    start()
    if (gap >= APART) onClear()
  }

  function stop(): void {
    clearTimeout(timer)
    control?.abort()
    control = undefined
  }

  return {
    start,
    look,
    stop,
    reset: () => {
      tries = 0
    },
  }
}

/**
 * Milliseconds between the two hellos of an answer that is nothing else; NaN where they do not come in time, which aborts
 * `control`, as on the way of others.
 */
async function probe(way: Way, control: AbortController): Promise<number> {
  let at = Number.NaN
  let gap = at
  const timer = setTimeout(() => control.abort(), PROBE)
  await ask(way, 'probe', '', control.signal, {
    onBlock: ({ event }) => {
      if (event !== 'hello') return
      gap = performance.now() - at
      at = performance.now()
    },
  })
  clearTimeout(timer)
  return gap
}
