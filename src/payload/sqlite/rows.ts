import type { Cursor } from '../../event.js'
import type { NewRow, Page, ReadRequest, Row, RowKind } from '../engine.js'
import type { Connection, Standing } from './connection.js'
import { type Inserted, prepareInsert, prepareInsertAfter } from './insert.js'

/** The statements on rows, prepared once per connection. */
export interface Rows {
  /** Stores one plain row, in one statement, if the store still stands at a cursor or beyond it; null where not. */
  insertAfter(row: NewRow, cursor: Cursor): Inserted | null
  /** Stores rows in order; call it inside a write transaction. */
  insertMany(rows: readonly NewRow[]): Inserted[]
  /** One page, from one snapshot; null where that snapshot is not what `isGood` wants. */
  page(request: ReadRequest, isGood: (standing: Standing) => boolean): Page | null
  ended(keys: readonly string[], n: number): Map<string, number>
  before(keys: readonly string[], count: number): number
}

interface Ending {
  readonly n: number
  readonly kind: number
}

/** The columns of a stored row. */
export const ROW = 'id AS n, key, event, payload, kind, created_at AS createdAt'

/** A row as SQLite gives it: `kind` is 0 for an event, 1 for an end. */
export interface StoredRow extends Omit<Row, 'kind'> {
  readonly kind: number
}

/** Up to so many keys are looked up one by one in the index; more are filtered out of a scan. */
const FEW_KEYS = 16
const SCAN_ROWS = 1000
/**
 * Up to so many new rows are read without the index, and in one statement: after another process's commit
 * each page and each statement more costs a wake-up some 20 µs.
 */
const SHORT_TAIL = 32
/** A page gives up after so many foreign rows, so that a quiet reader never holds the loop for long. */
const SCANS_PER_PAGE = 4

export function prepareRows(connection: Connection): Rows {
  const { events, pruned } = connection.tables
  const insert = prepareInsert(connection, connection.tables)
  const selectRow = connection.prepare(`SELECT ${ROW} FROM ${events} WHERE id = ?`)
  // The plus keeps SQLite from using the index.
  const selectTail = connection.prepare(
    `SELECT ${ROW} FROM ${events} WHERE id > ? AND +key IN (SELECT value FROM json_each(?)) ORDER BY id`,
  )
  const selectTailOfKey = connection.prepare(
    `SELECT ${ROW} FROM ${events} WHERE id > ? AND +key = ? ORDER BY id`,
  )
  const selectOfKey = connection.prepare(
    `SELECT id FROM ${events} WHERE key = ? AND id > ? ORDER BY id LIMIT ?`,
  )
  const selectAfter = connection.prepare(`SELECT id, key FROM ${events} WHERE id > ? ORDER BY id LIMIT ?`)
  const selectMark = connection.prepare(`SELECT n, kind FROM ${pruned} WHERE key = ?`)
  const selectMarks = connection.prepare(`SELECT key, n FROM ${pruned} WHERE n > ?`)
  const selectNewest = connection.prepare(
    `SELECT id AS n, kind FROM ${events} WHERE key = ? AND id <= ? ORDER BY id DESC LIMIT 1`,
  )
  const selectNth = connection.prepare(
    `SELECT id FROM ${events} WHERE key = ? AND kind = 0 ORDER BY id DESC LIMIT ?`,
  )

  function page(request: ReadRequest, isGood: (standing: Standing) => boolean): Page | null {
    return connection.transaction('BEGIN', () => {
      const standing = connection.standing()
      if (!isGood(standing)) return null
      const { head, floor, marked } = standing
      if (request.after.epoch !== head.epoch) {
        return { head, from: head.start, to: head.start, rows: [], pruned: new Map(), floor: 0 }
      }
      const from = request.after.n
      const pruned = marked > from ? marksAfter(request.keys, from) : new Map<string, number>()
      const common = { head, from, pruned, floor }
      if (from >= head.n) return { ...common, to: from, rows: [] }
      return { ...common, ...rowsAfter(request, head.n) }
    })
  }

  function rowsAfter(request: ReadRequest, head: number): Pick<Page, 'rows' | 'to'> {
    const isFew = request.keys.size <= FEW_KEYS
    if (isFew && head - request.after.n <= SHORT_TAIL) return shortTail(request, head)
    return fetchRows(isFew ? idsByKey(request, head) : idsByScan(request, head), request.maxBytes)
  }

  /** What a wake-up mostly finds: a row or two at the very end, in one statement. */
  function shortTail(
    { after, keys, maxRows, maxBytes }: ReadRequest,
    head: number,
  ): Pick<Page, 'rows' | 'to'> {
    const rows: Row[] = []
    let room = maxBytes
    const tail = keys.size === 1 ? selectTailOfKey : selectTail
    for (const stored of tail.all(after.n, namesOf(keys)) as StoredRow[]) {
      if (room <= 0 || rows.length === maxRows) return { rows, to: rows.at(-1)?.n ?? head }
      rows.push(toRow(stored))
      room -= stored.payload.length
    }
    return { rows, to: head }
  }

  /** Payloads are read here, of the asked keys only, and no further than the page may carry. */
  function fetchRows(found: Found, maxBytes: number): Pick<Page, 'rows' | 'to'> {
    const rows: Row[] = []
    let room = maxBytes
    for (const id of found.ids) {
      if (room <= 0) return { rows, to: rows.at(-1)?.n ?? found.to }
      const row = toRow(selectRow.get(id) as StoredRow)
      rows.push(row)
      room -= row.payload.length
    }
    return { rows, to: found.to }
  }

  function idsByKey(request: ReadRequest, head: number): Found {
    const { maxRows, after } = request
    const ids: number[] = []
    for (const key of request.keys) {
      for (const row of selectOfKey.all(key, after.n, maxRows + 1)) ids.push((row as { id: number }).id)
    }
    if (request.keys.size > 1) ids.sort((a, b) => a - b)
    return ids.length > maxRows ? cut(ids, maxRows) : { ids, to: head }
  }

  function idsByScan(request: ReadRequest, head: number): Found {
    const ids: number[] = []
    let to = request.after.n
    for (let scan = 0; scan < SCANS_PER_PAGE; scan += 1) {
      const rows = selectAfter.all(to, SCAN_ROWS) as { id: number; key: string }[]
      for (const row of rows) {
        if (!request.keys.has(row.key)) continue
        if (ids.length === request.maxRows) return cut(ids, request.maxRows)
        ids.push(row.id)
      }
      if (rows.length < SCAN_ROWS) return { ids, to: head }
      to = (rows.at(-1) as { id: number }).id
    }
    return { ids, to }
  }

  function marksAfter(keys: ReadonlySet<string>, n: number): Map<string, number> {
    const marks = new Map<string, number>()
    if (keys.size <= FEW_KEYS) {
      for (const key of keys) {
        const mark = selectMark.get(key) as { n: number } | undefined
        if (mark && mark.n > n) marks.set(key, mark.n)
      }
      return marks
    }
    for (const row of selectMarks.all(n) as { key: string; n: number }[]) {
      if (keys.has(row.key)) marks.set(row.key, row.n)
    }
    return marks
  }

  function ended(keys: readonly string[], n: number): Map<string, number> {
    const ends = new Map<string, number>()
    for (const key of keys) {
      const row = selectNewest.get(key, n) as Ending | undefined
      if (row?.kind === 0) continue
      // What came after the end may have been taken out of a mailbox.
      const mark = selectMark.get(key) as Ending | undefined
      const newest = mark && mark.n <= n && mark.n > (row?.n ?? 0) ? mark : row
      if (newest?.kind === 1) ends.set(key, newest.n)
    }
    return ends
  }

  function before(keys: readonly string[], count: number): number {
    if (!Number.isFinite(count)) return 0
    const ids: number[] = []
    for (const key of new Set(keys)) {
      for (const row of selectNth.all(key, count)) ids.push((row as { id: number }).id)
    }
    ids.sort((a, b) => b - a)
    const nth = ids[count - 1]
    return nth === undefined ? 0 : nth - 1
  }

  return {
    insertAfter: prepareInsertAfter(connection, connection.tables),
    insertMany: (added) => added.map(insert),
    page,
    ended,
    before,
  }
}

/** Row numbers to fetch; nothing of the asked keys stands between them up to `to`. */
interface Found {
  readonly ids: readonly number[]
  readonly to: number
}

function cut(ids: readonly number[], maxRows: number): Found {
  const kept = ids.slice(0, maxRows)
  return { ids: kept, to: kept.at(-1) as number }
}

const names = new WeakMap<ReadonlySet<string>, string>()

/** One key as it is, several as JSON. Readers ask with the same set again and again, and never change it. */
function namesOf(keys: ReadonlySet<string>): string {
  const known = names.get(keys)
  if (known !== undefined) return known
  const [first, ...others] = keys
  const text = first !== undefined && others.length === 0 ? first : JSON.stringify([...keys])
  names.set(keys, text)
  return text
}

const KINDS: readonly RowKind[] = ['event', 'end']

export function toRow(stored: StoredRow): Row {
  return { ...stored, kind: KINDS[stored.kind] ?? 'event' }
}
