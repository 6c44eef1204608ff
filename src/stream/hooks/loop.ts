import type { FileSignalError } from '../../errors.js'
import type { HookTools } from '../../hook-options.js'
import { createPace } from '../pace.js'
import { callHook, type HookCall } from './hook-call.js'
import { hookError } from './hydrate.js'

export interface LoopSite {
  /** Milliseconds from one call to the next, and those that one call may take. */
  readonly poll: number
  readonly limit: number
  /** Where it runs, as the end of a sentence. */
  readonly place: string
  readonly report: (error: FileSignalError) => void
}

/**
 * Calls `hook` at once, and then at a steady pace: a call that comes late does not put off the ones behind it, and
 * one that is due while the last one still runs is left out. What it throws is reported, and the loop goes on.
 *
 * Returns how to stop it, which aborts the call that runs.
 */
export function startLoop(hook: (tools: HookTools) => unknown, site: LoopSite): () => void {
  const untilNext = createPace(site.poll)
  let running = false
  let call: HookCall | null = null
  let timer: NodeJS.Timeout | null = null
  let stopped = false

  function due(): void {
    timer = setTimeout(due, untilNext())
    if (running) return
    running = true
    call = callHook(
      hook,
      site.limit,
      (answer) => {
        if (!answer.ok && !stopped) site.report(hookError('onLoop', site.place, answer, site.limit))
      },
      () => {
        running = false
      },
    )
  }

  function stop(): void {
    stopped = true
    if (timer) clearTimeout(timer)
    call?.abandon()
  }

  due()
  return stop
}
