import type { StreamPlan } from '../options.js'
import type { Shape } from './frame.js'
import type { Hooks } from './hooks/hooks.js'
import { createNaming } from './naming.js'
import type { Outgoing } from './outgoing.js'

/**
 * How a request is answered: `stream` stays open, `short` ends with the first news, `now` with what there is, and
 * `probe` brings two hellos and nothing else, to show whether the way holds them back.
 */
export type Mode = 'stream' | 'short' | 'now' | 'probe'

/** One stream to open: validated keys without duplicates, and the client's Last-Event-ID or null. */
export interface StreamRequest {
  readonly response: Outgoing
  readonly keys: readonly string[]
  readonly lastEventId: string | null
  /** Event names by key, which beat those of the rows. */
  readonly listed?: ReadonlyMap<string, string> | null
  /** What is called while the stream is open; null for nothing. */
  readonly hooks: Hooks | null
  readonly mode: Mode
  /** True for a client that wants hellos: see hello.ts. */
  readonly hello: boolean
  /** True where that client knows by itself who gets the same as it does. */
  readonly named: boolean
  readonly plan: Pick<
    StreamPlan<never>,
    'event' | 'eventFromPayload' | 'replay' | 'deliver' | 'heartbeat' | 'duration' | 'retry'
  >
}

/** What frames look like for a request. */
export function shapeOf({ plan, keys, listed }: StreamRequest): Shape {
  const naming = createNaming(listed, plan.eventFromPayload)
  return { defaultEvent: plan.event, keyed: keys.length > 1, naming }
}
