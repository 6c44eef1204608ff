import { FileSignalError } from './errors.js'
import type { Event } from './event.js'
import { duration, fn, invalid } from './option-values.js'
import type { Duration } from './options.js'

/** What a hook is given beside its event and its context. */
export interface HookTools {
  /** Aborted while the hook runs, when the stream ends or when `hookTimeout` is over. */
  readonly signal: AbortSignal
}

/** `'each'`: every stream asks its hook for itself. `'once'`: streams that send an event now share one answer. */
export type HydrateMode = 'each' | 'once'

/** The functions that a stream calls while it is open. `Context` is what they get of the request. */
export interface HookOptions<Context, Mode extends HydrateMode = 'each'> {
  /**
   * Called with each event at the moment of sending. It returns, or promises, what to send: a payload, an
   * envelope `{ event, data }` (`event`: a name, or null for none), or null or undefined to send nothing.
   * An answer for all gets null instead of one client's context.
   */
  beforeSend?: (event: Event, context: Mode extends 'once' ? null : Context, tools: HookTools) => unknown
  /** Default `'each'`. */
  hydrate?: Mode
  /**
   * Called when the stream opens and every `poll` from then on, never while its last call still runs. One that takes
   * longer than `hookTimeout` is reported once, and not called again until it has returned: let it obey its signal.
   */
  onLoop?: (context: Context, tools: HookTools) => unknown
  /** Time from one call of `onLoop` to the next, 20 ms to 1 h. Default: the instance's `poll`. */
  poll?: Duration
  /** How long one call of `beforeSend` or `onLoop` may take, 10 ms to 10 min. Default 5 s. */
  hookTimeout?: Duration
}

/** Hook options after validation; times in milliseconds. */
export interface HookPlan<Context> {
  /** At most one of the two. */
  readonly each: ((event: Event, context: Context, tools: HookTools) => unknown) | null
  readonly once: ((event: Event, context: null, tools: HookTools) => unknown) | null
  readonly onLoop: ((context: Context, tools: HookTools) => unknown) | null
  readonly poll: number
  readonly timeout: number
}

export const HOOK_OPTIONS = Object.freeze(['beforeSend', 'hydrate', 'hookTimeout', 'onLoop', 'poll'])

const DEFAULT_TIMEOUT = 5000
const MINUTE = 60_000

/** Checks the hooks of a stream, null where it has none; `poll` is the instance's. Throws OPTION_INVALID. */
export function validateHooks<Context>(
  options: HookOptions<Context, HydrateMode>,
  poll: number,
): HookPlan<Context> | null {
  const { hydrate, hookTimeout } = options
  const beforeSend = fn(options.beforeSend, 'beforeSend')
  const onLoop = fn(options.onLoop, 'onLoop')
  if (hydrate !== undefined && hydrate !== 'each' && hydrate !== 'once') {
    throw invalid('hydrate', hydrate, '"each" or "once"')
  }
  if (hydrate !== undefined && !beforeSend) throw useless('hydrate', 'beforeSend')
  if (options.poll !== undefined && !onLoop) throw useless('poll', 'onLoop')
  if (hookTimeout !== undefined && !beforeSend && !onLoop)
    throw useless('hookTimeout', 'beforeSend or onLoop')
  if (!beforeSend && !onLoop) return null
  return Object.freeze({
    each: hydrate === 'once' ? null : (beforeSend as HookPlan<Context>['each']),
    once: hydrate === 'once' ? (beforeSend as HookPlan<Context>['once']) : null,
    onLoop,
    poll: duration(options.poll, 'poll', 20, 60 * MINUTE) ?? poll,
    timeout: duration(hookTimeout, 'hookTimeout', 10, 10 * MINUTE) ?? DEFAULT_TIMEOUT,
  })
}

function useless(name: string, without: string): FileSignalError {
  return new FileSignalError('OPTION_INVALID', `${name} is given without ${without}`, {
    remedy: `pass ${without} too, or leave ${name} out`,
  })
}
