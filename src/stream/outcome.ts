/** Something to send: `data`, and its event name; null for none, undefined where it was not said. */
export interface Outcome {
  readonly event: string | null | undefined
  readonly data: unknown
}

/**
 * What a hook or a source gave to send. An object with exactly the two own properties `event` and `data`
 * is an envelope, everything else the payload itself; null for null and undefined: there is nothing to send.
 *
 * Neither the name nor the payload is checked here.
 */
export function readOutcome(value: unknown): Outcome | null {
  if (value === null || value === undefined) return null
  return isEnvelope(value) ? { event: value.event, data: value.data } : { event: undefined, data: value }
}

function isEnvelope(value: unknown): value is Outcome {
  if (typeof value !== 'object' || value === null) return false
  // Counted last: a buffer has a key for each of its bytes.
  return Object.hasOwn(value, 'event') && Object.hasOwn(value, 'data') && Object.keys(value).length === 2
}
