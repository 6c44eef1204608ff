import { performance } from 'node:perf_hooks'
import { type Cursor, familyOf, type Hint } from '../../event.js'
import type { Head, Page, ReadRequest } from '../engine.js'
import { type Connection, GAP, type RowMark, renew, type Standing } from './connection.js'
import type { Opened } from './opener.js'

/**
 * The newest place in the store that this process knows of, and what tells its row from any other: as long as the
 * store still has that row there, or marks it as pruned, it has all that this process has ever seen in it.
 */
export interface Known extends Cursor {
  /** Null where no row stands at the place. */
  readonly row: RowMark | null
}

/** A bare number that is further ahead is no row number, but a time stamp or the like. */
const FURTHEST_BARE_HINT = 1_000_000_000
const FURTHEST = Number.MAX_SAFE_INTEGER - 1000 * GAP
/** Stores whose signals were once found beside this one, and are no news any more. */
const MOST_STRANGERS = 8

/**
 * True where the store goes on from what this process knows. False means that it was put back to an earlier state,
 * lost what stood in its -wal, or was overwritten. Ask it inside a transaction.
 */
export function isContinued({ connection, known }: Opened, { head, floor }: Standing): boolean {
  // A new epoch begins above all numbers that were given out; one that does not is an old one come back.
  if (head.epoch !== known.epoch) return known.n === 0 || head.start > known.n
  if (head.n < known.n) return false
  if (known.row === null) return true
  const row = connection.rowAt(known.n)
  if (row) return row.key === known.row.key && row.createdAt === known.row.createdAt
  return floor >= known.n || connection.markOf(known.row.key) >= known.n
}

/** Remembers where the store stands; `row` is the one at the head, where the caller has it. */
export function learn(opened: Opened, head: Cursor, row?: RowMark | null): void {
  const { known, connection } = opened
  if (known.n === head.n && known.epoch === head.epoch) return
  if (known.epoch !== head.epoch) opened.onRenewed()
  opened.known = { epoch: head.epoch, n: head.n, row: row === undefined ? connection.rowAt(head.n) : row }
}

/**
 * True where a signal tells of a row that the store does not have. Signals follow commits, so read the hint before
 * the store, or inside a write transaction.
 */
export function isAhead(connection: Connection, hint: Hint | null, head: Head): hint is Hint {
  if (hint === null || hint.n <= head.n || hint.n > FURTHEST) return false
  if (hint.epoch === null) return hint.n - head.n <= FURTHEST_BARE_HINT
  const family = familyOf(hint.epoch)
  // Another store's signal was the last one: that store stood here meanwhile. Told once, for two may share a file.
  return family === familyOf(head.epoch) || !strangers(connection).includes(family)
}

/** The head, after making sure that the store has not lost what was seen or signalled: then it gets a new epoch first. */
export function current(opened: Opened, newestSignal: () => Hint | null): Head {
  const { connection } = opened
  const hint = newestSignal()
  connection.checkSchema()
  const head = connection.transaction('BEGIN', () => {
    const standing = connection.standing()
    if (!isContinued(opened, standing) || isAhead(connection, hint, standing.head)) return null
    learn(opened, standing.head)
    return standing.head
  })
  return head ?? connection.transaction('BEGIN IMMEDIATE', () => ensureContinued(opened, newestSignal))
}

/** The same inside a write transaction that is open already. */
export function ensureContinued(opened: Opened, newestSignal: () => Hint | null): Head {
  const { connection, known } = opened
  const standing = connection.standing()
  const hint = newestSignal()
  if (!isContinued(opened, standing) || isAhead(connection, hint, standing.head)) {
    // An older copy that was written over the open file leaves pages that do not fit.
    if (!connection.isGuest) connection.check()
    renewAbove(connection, hint, known.n)
  }
  const head = connection.head()
  learn(opened, head)
  opened.lookedAt = performance.now()
  return head
}

/** One page; where the store does not go on from what was known, of its new epoch. */
export function readPage(opened: Opened, request: ReadRequest, newestSignal: () => Hint | null): Page {
  const { rows, connection } = opened
  const page = rows.page(request, (standing) => isContinued(opened, standing))
  if (page !== null) {
    const { head } = page
    // Where something has come, the store has not gone back; and a wake-up should be quick.
    const isNews = head.epoch === request.after.epoch && head.n > request.after.n
    if (!isNews) connection.checkSchema()
    if (isNews || !isAhead(connection, newestSignal(), head)) {
      const last = page.rows.at(-1)
      learn(opened, head, last?.n === head.n ? { key: last.key, createdAt: last.createdAt } : undefined)
      return page
    }
  }
  current(opened, newestSignal)
  return rows.page(request, () => true) as Page
}

/** A new epoch above what a hint and this process know; remembers whose hint it was. */
export function renewAbove(connection: Connection, hint: Hint | null, known: number): void {
  const { epoch } = connection.head()
  const isBelieved = isAhead(connection, hint, connection.head())
  renew(connection, Math.max(known, isBelieved ? hint.n : 0))
  if (!isBelieved || hint.epoch === null || familyOf(hint.epoch) === familyOf(epoch)) return
  const list = [...strangers(connection), familyOf(hint.epoch)].slice(-MOST_STRANGERS)
  connection.setMeta('strangers', list.join(' '))
}

function strangers(connection: Connection): readonly string[] {
  return (connection.getMeta('strangers') ?? '').split(' ')
}
