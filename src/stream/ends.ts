import { setImmediate as immediate } from 'node:timers/promises'
import type { Cursor } from '../event.js'
import type { Page, PayloadEngine, Row } from '../payload/engine.js'
import { readReason } from '../reason.js'

/** Where every key of a reader has ended, and nothing follows. */
export interface Over {
  /** The newest of the ends. */
  readonly at: Cursor
  /** True where the reader has been there. */
  readonly seen: boolean
  /** The ends that tell a reason. */
  readonly told: readonly Row[]
}

/** True for a row that readers hear of: an event, or an end with a reason. Other ends only close. */
export function isTold(row: Row): boolean {
  return row.kind === 'event' || readReason(row.payload) !== null
}

/** `ends` as an engine tells them, one for each of a reader's keys. */
export async function overAt(
  payload: PayloadEngine,
  epoch: string,
  ends: ReadonlyMap<string, number>,
  seen: boolean,
): Promise<Over> {
  const at = { epoch, n: Math.max(...ends.values()) }
  return { at, seen, told: await toldEnds(payload, epoch, ends) }
}

/** True where a page has an end in it, be it told or not. */
export function hasEnd(page: Page): boolean {
  return page.rows.some((row) => row.kind === 'end')
}

/** The row with which all `keys` have ended as of row `n`; Infinity where one of them is open. */
export async function closesAt(
  payload: PayloadEngine,
  keys: ReadonlySet<string>,
  n: number,
): Promise<number> {
  const ends = await payload.ended([...keys], n)
  return ends.size === keys.size ? Math.max(...ends.values()) : Number.POSITIVE_INFINITY
}

/** Reads the rows of some ends, and returns those with a reason, oldest first. What was pruned tells none. */
async function toldEnds(
  payload: PayloadEngine,
  epoch: string,
  ends: ReadonlyMap<string, number>,
): Promise<Row[]> {
  const told: Row[] = []
  for (const [key, n] of ends) {
    if (ends.size > 1) await immediate()
    const after = { epoch, n: n - 1 }
    const { rows } = await payload.read({ after, keys: new Set([key]), maxRows: 1, maxBytes: 1 })
    if (rows[0]?.n === n && isTold(rows[0])) told.push(rows[0])
  }
  return told.sort((a, b) => a.n - b.n)
}
