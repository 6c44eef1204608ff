import { decodePayload, eventFault } from '../event.js'
import type { Row } from '../payload/engine.js'

/** What a stream goes by to name its events, beside their own names and the default one; null on most streams. */
export interface Naming {
  /** Event names by key. They beat the row's own; null where no list was given. */
  readonly listed: ReadonlyMap<string, string> | null
  /** True where the payload of a row without a name may name it. */
  readonly fromPayload: boolean
}

/** The latest moment that has an ISO form: a row's time comes from any writer. */
const LATEST = 8.64e15

/** Null where rows are named by themselves or the default alone, as on most streams. */
export function createNaming(listed: Naming['listed'] = null, fromPayload: boolean): Naming | null {
  return listed || fromPayload ? { listed, fromPayload } : null
}

/** The event name of a row, or null for the stream's default: the listed one, the row's own, its payload's. */
export function eventOf(row: Row, naming: Naming): string | null {
  return naming.listed?.get(row.key) ?? row.event ?? (naming.fromPayload ? eventIn(row.payload) : null)
}

/** The payload's JSON text. A row of a listed key that has none brings its time instead, as `{"timestamp":"<ISO 8601>"}`. */
export function payloadOf(row: Row, naming: Naming): string {
  if (row.payload !== 'null' || !naming.listed?.has(row.key)) return row.payload
  return JSON.stringify({ timestamp: new Date(Math.min(row.createdAt, LATEST)).toISOString() })
}

/** What cannot be a name is none: the event is sent all the same. */
function eventIn(payload: string): string | null {
  // Most payloads need no parsing.
  if (!payload.includes('"event"')) return null
  const value = decodePayload(payload)
  if (typeof value !== 'object' || value === null || !('event' in value)) return null
  const { event } = value
  return typeof event === 'string' && eventFault(event) === null ? event : null
}
