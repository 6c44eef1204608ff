import { randomBytes } from 'node:crypto'
import { FileSignalError, messageOf, quote } from './errors.js'
import { toJson } from './json-fault.js'

/**
 * One stored event, as `subscribe()` yields it.
 *
 * `id` is `<epoch>-<n>`, `event` its SSE event name or null, `createdAt` milliseconds since 1970.
 */
export interface Event {
  readonly id: string
  readonly key: string
  readonly event: string | null
  readonly payload: unknown
  readonly createdAt: number
}

/** A place in the store: row number `n` of the store that calls itself `epoch`. */
export interface Cursor {
  readonly epoch: string
  readonly n: number
}

/** What a wake-up tells of the newest row; `epoch` is null where a foreign writer gave only the number. */
export interface Hint {
  readonly epoch: string | null
  readonly n: number
}

/** Hard cap of one payload in bytes, enforced by the schema too; `payloadLimit` is at most this. */
export const PAYLOAD_CAP = 1024 * 1024

/** Names the wire or the browser uses for itself; `open` and `error` collide with EventSource's own. */
export const RESERVED_EVENTS = Object.freeze(['open', 'error', 'ready', 'reset', 'end', 'hello'])

const NAME_CHARACTERS = 200
const NAME_BYTES = 800
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
/** Characters of an epoch that stay, and as many that are new with each. */
const FAMILY = 4
const ID = /^([0-9a-z]{4,32})-(0|[1-9][0-9]{0,15})$/

/** Returns `key`, or throws KEY_INVALID. */
export function checkKey(key: unknown): string {
  const fault = keyFault(key)
  if (fault) throw new FileSignalError('KEY_INVALID', `key ${quote(key)} ${fault}`)
  return key as string
}

/** Why something is no key, as the end of a sentence that begins with it; null where it is one. */
export function keyFault(key: unknown): string | null {
  return nameFault(key)
}

/** Returns the event name, null for none; throws EVENT_INVALID. */
export function checkEvent(event: unknown): string | null {
  if (event === undefined || event === null) return null
  const fault = eventFault(event)
  if (fault) throw new FileSignalError('EVENT_INVALID', `event name ${quote(event)} ${fault}`)
  return event as string
}

/** Why something is no event name, as the end of a sentence that begins with it; null where it is one. */
export function eventFault(event: unknown): string | null {
  return nameFault(event) ?? (isReserved(event as string) ? 'is reserved' : null)
}

/** Returns the dedupe key, null for none; throws DEDUPE_INVALID. */
export function checkDedupe(dedupe: unknown): string | null {
  if (dedupe === undefined || dedupe === null) return null
  const fault = nameFault(dedupe)
  if (fault) throw new FileSignalError('DEDUPE_INVALID', `dedupe key ${quote(dedupe)} ${fault}`)
  return dedupe as string
}

/**
 * Turns a payload into its JSON text.
 *
 * Throws PAYLOAD_INVALID for what JSON would drop or change without a word (NaN, a promise, a Map, an Error), naming the
 * place and the cure, and PAYLOAD_TOO_LARGE above `limit` bytes. A property that is undefined counts as absent, as in JSON.
 */
export function encodePayload(payload: unknown, limit: number): string {
  const text = textOf(payload)
  // A UTF-16 unit takes 1 to 3 bytes, so most payloads need no count.
  if (text.length * 3 > limit && Buffer.byteLength(text) > limit) {
    const size = Buffer.byteLength(text)
    // Hooks and sources have no other limit, and nobody can raise this one.
    const remedy = limit < PAYLOAD_CAP ? {} : { remedy: 'send an id and let the browser fetch the rest' }
    const what = `payload is ${size} bytes as JSON, the limit is ${limit}`
    throw new FileSignalError('PAYLOAD_TOO_LARGE', what, remedy)
  }
  return text
}

/** Reads a stored payload back. Text that another program stored and that is not JSON is returned as it is. */
export function decodePayload(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A store's name for itself: 8 characters, drawn at random. With a former one, its next: the first half stays. */
export function randomEpoch(former?: string): string {
  let epoch = former === undefined ? '' : familyOf(former)
  for (const byte of randomBytes(2 * FAMILY - epoch.length)) epoch += (byte % 36).toString(36)
  return epoch
}

/** The part of an epoch that a store keeps when it is renewed: tells another store's epochs from its own. */
export function familyOf(epoch: string): string {
  return epoch.slice(0, FAMILY)
}

/** `<epoch>-<n>`. */
export function formatId(epoch: string, n: number): string {
  return `${epoch}-${n}`
}

/** The cursor that an id names, or null where the text is not an id. */
export function parseId(text: string): Cursor | null {
  const match = ID.exec(text)
  if (!match?.[1] || !match[2]) return null
  const n = Number(match[2])
  return Number.isSafeInteger(n) ? { epoch: match[1], n } : null
}

function isReserved(event: string): boolean {
  return RESERVED_EVENTS.includes(event)
}

function nameFault(name: unknown): string | null {
  if (typeof name !== 'string') return 'is not a string'
  if (name === '') return 'is empty'
  if (CONTROL.test(name)) return 'contains a line break or another control character'
  if (name.length > NAME_CHARACTERS / 4) {
    if ([...name].length > NAME_CHARACTERS) return `has more than ${NAME_CHARACTERS} characters`
    if (Buffer.byteLength(name) > NAME_BYTES) return `has more than ${NAME_BYTES} bytes`
  }
  return name.isWellFormed() ? null : 'is not well-formed Unicode'
}

function textOf(payload: unknown): string {
  let json: ReturnType<typeof toJson>
  try {
    json = toJson(payload)
  } catch (cause) {
    const [why] = messageOf(cause).split('\n')
    throw new FileSignalError('PAYLOAD_INVALID', `payload has no JSON form (${why})`, { cause })
  }
  if ('text' in json && json.text !== undefined) return json.text
  const fault = 'fault' in json ? json.fault : { what: ' has no JSON form' }
  const remedy = fault.remedy === undefined ? {} : { remedy: fault.remedy }
  throw new FileSignalError('PAYLOAD_INVALID', `payload${fault.what}`, remedy)
}
