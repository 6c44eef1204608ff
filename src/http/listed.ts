import { readListedEvents, readSeconds } from '../environment.js'
import { DURATIONS, type Duration, ENVIRONMENT, type Environment } from '../options.js'
import { MAX_KEYS } from '../stream/keys.js'

/** The stream that the environment lists. */
export interface ListedStream {
  /** Event names by key. */
  readonly events: ReadonlyMap<string, string>
  /** Of one stream, in milliseconds; null where the environment does not say. */
  readonly duration: number | null
}

/**
 * Reads SSE_EVENTS and, unless the code gives a duration, SSE_STREAM_DURATION. Null where no events are listed.
 * Throws OPTION_INVALID, EVENT_INVALID or KEY_INVALID.
 */
export function readListedStream(env: Environment, given: Duration | false | undefined): ListedStream | null {
  const events = readListedEvents(ENVIRONMENT.events, env[ENVIRONMENT.events], MAX_KEYS)
  if (!events) return null
  const duration =
    given === undefined ? readSeconds(ENVIRONMENT.duration, env[ENVIRONMENT.duration], DURATIONS) : null
  return { events, duration }
}
