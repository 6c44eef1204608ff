import { FileSignalError, messageOf, quote } from '../../errors.js'
import { checkEvent, type Event, encodePayload, formatId, PAYLOAD_CAP } from '../../event.js'
import type { HookTools } from '../../hook-options.js'
import type { Row } from '../../payload/engine.js'
import { encodeEvent, nameOf, type Shape } from '../frame.js'
import { readOutcome } from '../outcome.js'
import { readEvent } from '../queue.js'
import { callHook, type HookAnswer, type HookCall } from './hook-call.js'

/** What a hook made of one row. A failure was reported; what was dropped or failed is not sent. */
export type Hydrated = Hydration | 'dropped' | 'failed'

/** A payload as JSON text instead of the row's own, and an event name; null for none, undefined for the usual one. */
export interface Hydration {
  readonly payload: string
  readonly event: string | null | undefined
}

export type Hook = (event: Event, tools: HookTools) => unknown

export interface HydrateSite {
  /** Milliseconds that one call may take. */
  readonly limit: number
  readonly report: (error: FileSignalError) => void
}

/**
 * Asks a hook what to send for one row. `onHydrated` is called once, in the same turn where the hook answers
 * without a promise; not after the call was abandoned.
 */
export function hydrateRow(
  hook: Hook,
  row: Row,
  epoch: string,
  site: HydrateSite,
  onHydrated: (hydrated: Hydrated) => void,
): HookCall {
  const event = readEvent(row, epoch)
  return callHook(
    (tools) => hook(event, tools),
    site.limit,
    (answer) => onHydrated(judge(answer, row, epoch, site)),
  )
}

/** The frame of a row with what its hook gave instead. */
export function encodeHydrated(row: Row, epoch: string, shape: Shape, hydration: Hydration): string {
  const { payload, event } = hydration
  const name = event === undefined ? nameOf({ ...row, payload }, shape) : event
  return encodeEvent(row, epoch, shape, name, payload)
}

function judge(answer: HookAnswer, row: Row, epoch: string, site: HydrateSite): Hydrated {
  const place = `at event ${formatId(epoch, row.n)} of key ${quote(row.key)}`
  try {
    if (answer.ok) return read(answer.value)
    site.report(hookError('beforeSend', place, answer, site.limit))
  } catch (error) {
    site.report(hookError('beforeSend', place, { ok: false, late: false, error }, site.limit))
  }
  return 'failed'
}

function read(value: unknown): Hydrated {
  const outcome = readOutcome(value)
  if (outcome === null) return 'dropped'
  const event = outcome.event === undefined ? undefined : checkEvent(outcome.event)
  return { payload: encodePayload(outcome.data, PAYLOAD_CAP), event }
}

/** HOOK_TIMEOUT or HOOK_FAILED; `place` ends the sentence. */
export function hookError(
  name: string,
  place: string,
  { late, error }: Extract<HookAnswer, { ok: false }>,
  limit: number,
): FileSignalError {
  if (late) return new FileSignalError('HOOK_TIMEOUT', `${name} took longer than ${limit} ms ${place}`)
  return new FileSignalError('HOOK_FAILED', `${name} failed ${place} (${messageOf(error)})`, { cause: error })
}
