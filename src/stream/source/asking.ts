import { createPace } from '../pace.js'

export interface AskingSite {
  /** The callback; its answer is awaited. */
  readonly ask: (signal: AbortSignal) => unknown
  /** Milliseconds from one turn to the next. */
  readonly every: number
  /** Milliseconds that an answer may take: the first, which may turn out to be an iterable, and each later one. */
  readonly timeouts: readonly [number, number]
  readonly onAnswer: (answer: unknown) => void
  /** Called with what a turn threw. */
  readonly onFailure: (error: unknown) => void
  /** Called at the time limit of a turn, in milliseconds. */
  readonly onTimeout: (limit: number) => void
  /** Gets an answer that nobody waits for any more. */
  readonly onLate: (answer: unknown) => void
}

/** A callback that is asked now and then. */
export interface Asking {
  /** Asks no more, and aborts the signal. Idempotent. */
  stop(): void
  /** Asks no more, and leaves the signal to what was answered; the function that it returns aborts it. */
  release(): () => void
}

/**
 * Asks at once and then at a steady interval, and never twice at a time: turns that come while an answer is
 * awaited are left out. A callback that hangs is asked again when it has answered after all.
 */
export function createAsking(site: AskingSite): Asking {
  const untilNext = createPace(site.every)
  let controller = new AbortController()
  let isFirst = true
  let timer: NodeJS.Timeout | undefined
  let limit: NodeJS.Timeout | undefined
  let over = false

  async function ask(): Promise<void> {
    const own = controller
    const isAwaited = () => !over && own === controller
    const patience = site.timeouts[isFirst ? 0 : 1]
    isFirst = false
    limit = setTimeout(giveUp, patience, patience)
    try {
      const answer = await site.ask(own.signal)
      if (isAwaited()) site.onAnswer(answer)
      else site.onLate(answer)
    } catch (error) {
      if (isAwaited()) site.onFailure(error)
    }
    clearTimeout(limit)
    if (!over) timer = setTimeout(ask, untilNext())
  }

  /** Its late answer is not wanted, and later turns get a signal of their own. */
  function giveUp(patience: number): void {
    const hung = controller
    controller = new AbortController()
    hung.abort()
    site.onTimeout(patience)
  }

  function end(): void {
    over = true
    clearTimeout(timer)
    clearTimeout(limit)
  }

  void ask()
  return {
    stop: () => {
      if (over) return
      end()
      controller.abort()
    },
    release: () => {
      end()
      return () => controller.abort()
    },
  }
}
