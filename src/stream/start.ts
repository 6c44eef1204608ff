import { setImmediate as immediate } from 'node:timers/promises'
import { type Cursor, parseId } from '../event.js'
import type { Head, Page, PayloadEngine } from '../payload/engine.js'
import { type Over, overAt } from './ends.js'
import type { ResetReason } from './frame.js'

/** Where a reader begins. */
export interface Start {
  readonly cursor: Cursor
  /** Why the client's own cursor is not honoured, or null. */
  readonly reset: ResetReason | null
  /** Keys that have ended, as of the cursor. */
  readonly ended: ReadonlySet<string>
  /** What was already read after the cursor. */
  readonly page: Page | null
  /** What had been pruned before a client without a cursor came: it lost nothing by that. */
  readonly forgiven: Forgiven | null
  /** Where every key has ended and nothing follows; else null. */
  readonly over: Over | null
}

/** Pruned row numbers that are no loss, per key and as a floor for all. */
export type Forgiven = Pick<Page, 'pruned' | 'floor'>

/** How much a reader that is behind takes at a time: a stream that replays holds one page, not its history. */
export const BEHIND_PAGE = Object.freeze({ maxRows: 256, maxBytes: 256 * 1024 })

/**
 * Finds where a stream or a subscriber begins.
 *
 * A cursor is honoured, or answered with a reset at the head. Without one, `replay` is the number of
 * events of `keys` before the head, Infinity for all. Rejects where the store cannot be read.
 */
export async function findStart(
  payload: PayloadEngine,
  keys: readonly string[],
  lastEventId: string | null,
  replay: number,
): Promise<Start> {
  const head = await payload.head()
  if (lastEventId === null) {
    return replay === 0 ? startAtHead(payload, keys, head, null) : startInPast(payload, keys, head, replay)
  }
  const cursor = parseId(lastEventId)
  if (cursor === null) return startAtHead(payload, keys, head, 'malformed')
  if (cursor.epoch !== head.epoch) return startAtHead(payload, keys, head, 'epoch')
  if (cursor.n > head.n) return startAtHead(payload, keys, head, 'ahead')
  return startHonoured(payload, keys, cursor)
}

async function startAtHead(
  payload: PayloadEngine,
  keys: readonly string[],
  head: Head,
  reset: ResetReason | null,
): Promise<Start> {
  const cursor = { epoch: head.epoch, n: head.n }
  const ends = await payload.ended(keys, head.n)
  const over = ends.size === keys.length ? await overAt(payload, head.epoch, ends, false) : null
  return { cursor, reset, ended: new Set(ends.keys()), page: null, forgiven: null, over }
}

async function startHonoured(
  payload: PayloadEngine,
  keys: readonly string[],
  cursor: Cursor,
): Promise<Start> {
  const ends = await payload.ended(keys, cursor.n)
  const page = await readUntilSome(payload, keys, cursor)
  const quiet = page.rows.length === 0 && page.pruned.size === 0 && page.floor <= cursor.n
  const same = page.head.epoch === cursor.epoch
  const over =
    ends.size === keys.length && quiet && same ? await overAt(payload, cursor.epoch, ends, true) : null
  return { cursor, reset: null, ended: new Set(ends.keys()), page, forgiven: null, over }
}

/** The cursor stands right before the first event that comes: an outage before it must lose nothing. */
async function startInPast(
  payload: PayloadEngine,
  keys: readonly string[],
  head: Head,
  replay: number,
): Promise<Start> {
  const n = replay === Number.POSITIVE_INFINITY ? 0 : await payload.before(keys, replay)
  const page = await readUntilSome(payload, keys, { epoch: head.epoch, n })
  if (page.head.epoch !== head.epoch) return startAtHead(payload, keys, page.head, null)
  const cursor = { epoch: head.epoch, n: page.rows[0] ? page.rows[0].n - 1 : page.to }
  const ends = await payload.ended(keys, head.n)
  const ended = new Set([...ends.keys()].filter((key) => (ends.get(key) ?? 0) <= cursor.n))
  const isOver = ends.size === keys.length && page.rows.length === 0
  const over = isOver ? await overAt(payload, head.epoch, ends, false) : null
  const { pruned, floor } = page
  return {
    cursor,
    reset: null,
    ended,
    page,
    forgiven: pruned.size > 0 || floor > 0 ? { pruned, floor } : null,
    over,
  }
}

/** A page with a row in it, or one that reaches the head: an engine may give up looking before it finds any. */
async function readUntilSome(payload: PayloadEngine, keys: readonly string[], after: Cursor): Promise<Page> {
  const wanted = new Set(keys)
  const first = await payload.read({ after, keys: wanted, ...BEHIND_PAGE })
  let page = first
  while (page.rows.length === 0 && page.to < page.head.n && page.head.epoch === after.epoch) {
    await immediate()
    page = await payload.read({ after: { epoch: after.epoch, n: page.to }, keys: wanted, ...BEHIND_PAGE })
  }
  if (page === first) return first
  return { ...page, from: first.from, pruned: new Map([...first.pruned, ...page.pruned]) }
}
