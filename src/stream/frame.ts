import type { Cursor } from '../event.js'
import { formatId } from '../event.js'
import type { Row } from '../payload/engine.js'
import { readReason } from '../reason.js'
import { eventOf, type Naming, payloadOf } from './naming.js'

/** What decides how a row looks on the wire; streams of one shape share their frames. */
export interface Shape {
  /** Event name for rows without one. */
  readonly defaultEvent: string | null
  /** True on streams of several keys: each frame tells its key. */
  readonly keyed: boolean
  /** Other names than the row's own and the default; null for none. */
  readonly naming: Naming | null
}

/** Why a cursor cannot be honoured: no id at all, another store's, not yet reached, or events after it are gone. */
export type ResetReason = 'malformed' | 'epoch' | 'ahead' | 'pruned'

const LINE_BREAK = /\r\n|\r|\n/

/**
 * A stored row as SSE text, LF only: `id`, `event` where there is one, `key` on keyed streams, `at`
 * in milliseconds, and the payload's JSON text as `data`. An end row that tells a reason is an `end`.
 */
export function encodeFrame(row: Row, epoch: string, shape: Shape): string {
  if (row.kind === 'end') return encodeEnd(row, formatId(epoch, row.n), shape)
  const payload = shape.naming ? payloadOf(row, shape.naming) : row.payload
  return encodeEvent(row, epoch, shape, nameOf(row, shape), payload)
}

/** The event name of a row, or null for none. */
export function nameOf(row: Row, { naming, defaultEvent }: Shape): string | null {
  return (naming ? eventOf(row, naming) : row.event) ?? defaultEvent
}

/** A frame at the place of `row`, with an event name and a payload that may be others than the row's own. */
export function encodeEvent(
  row: Row,
  epoch: string,
  shape: Shape,
  name: string | null,
  payload: string,
): string {
  const id = formatId(epoch, row.n)
  const event = name === null ? '' : `event: ${name}\n`
  const key = shape.keyed ? `key: ${row.key}\n` : ''
  return `id: ${id}\n${event}${key}at: ${row.createdAt}\ndata: ${dataLines(payload)}\n\n`
}

/**
 * The stream stands at `cursor`, and is silent for at most `heartbeat` milliseconds. Null where a `reset` follows: a
 * client that is cut off between the two must come back with the place that it had, or it is never told.
 */
export function encodeReady(cursor: Cursor | null, heartbeat: number): string {
  return control('ready', cursor, { heartbeat })
}

/**
 * The server can be heard; `digest` is that of the stream's keys, null where no other stream gets the same. `once` says
 * that events come in any order.
 */
export function encodeHello(digest: string | null, once: boolean): string {
  return control('hello', null, { keys: digest, ...(once && { once }) })
}

/** The client must fetch its state again; the stream goes on after `cursor`. */
export function encodeReset(reason: ResetReason, cursor: Cursor): string {
  return control('reset', cursor, { reason })
}

/** A key has ended otherwise than well, at the row's place; whether the stream ends with it is told by `[DONE]`. */
function encodeEnd(row: Row, id: string, shape: Shape): string {
  const key = shape.keyed ? `key: ${row.key}\n` : ''
  const data = { reason: readReason(row.payload), ...(shape.keyed && { key: row.key }) }
  return `id: ${id}\nevent: end\n${key}at: ${row.createdAt}\ndata: ${JSON.stringify(data)}\n\n`
}

/** Moves the reader's Last-Event-ID to `cursor`; without data EventSource dispatches nothing. */
export function encodeSkip(cursor: Cursor): string {
  return `id: ${formatId(cursor.epoch, cursor.n)}\n\n`
}

/** Every key has ended, the last one at `cursor`. */
export function encodeDone(cursor: Cursor): string {
  return `id: ${formatId(cursor.epoch, cursor.n)}\ndata: [DONE]\n\n`
}

/** The id of a `[DONE]` that no store has numbered: a browser that comes back with it has had all. */
export const DONE_ID = 'done'

/** One item of a source: JSON text, under its event name or none. It can be had once, so it has no id. */
export function encodeItem(event: string | null, json: string): string {
  return `${event === null ? '' : `event: ${event}\n`}data: ${json}\n\n`
}

/** A source has ended otherwise than well; `[DONE]` follows. */
export function encodeBareEnd(reason: string): string {
  return control('end', null, { reason })
}

/** A source has ended. */
export function encodeBareDone(): string {
  return `id: ${DONE_ID}\ndata: [DONE]\n\n`
}

function control(event: string, cursor: Cursor | null, data: object): string {
  const id = cursor ? `id: ${formatId(cursor.epoch, cursor.n)}\n` : ''
  return `event: ${event}\n${id}data: ${JSON.stringify(data)}\n\n`
}

/** JSON.stringify breaks no lines, but other writers may store what they have printed prettily. */
function dataLines(payload: string): string {
  return LINE_BREAK.test(payload) ? payload.split(LINE_BREAK).join('\ndata: ') : payload
}
