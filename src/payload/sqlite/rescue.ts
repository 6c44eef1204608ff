import { type Connection, type RowMark, renew } from './connection.js'

/**
 * Rows of a connection whose -wal was unlinked: what was committed to it, and not yet copied into the main file, can be
 * read there and nowhere else. Oldest first.
 */
export type Rescued = readonly RescuedRow[]

interface RescuedRow extends RowMark {
  readonly n: number
  readonly event: string | null
  readonly payload: string
  readonly kind: number
  readonly dedupe: string | null
}

/** A -wal rarely holds more: SQLite copies it into the main file at 4 MB. */
const MOST_BYTES = 32 * 1024 * 1024
const ROWS_PER_LOOK = 500

/** The newest rows up to a number. */
export function gather({ prepare, tables }: Connection, upTo: number): Rescued {
  const { events, dedupes } = tables
  const select = prepare(
    `SELECT id AS n, key, event, payload, kind, created_at AS createdAt,
        (SELECT dedupe FROM ${dedupes} WHERE ${dedupes}.n = id) AS dedupe
      FROM ${events} WHERE id <= ? ORDER BY id DESC LIMIT ${ROWS_PER_LOOK}`,
  )
  const found: RescuedRow[] = []
  let bytes = 0
  for (let last = upTo; bytes < MOST_BYTES; ) {
    const rows = select.all(last) as RescuedRow[]
    for (const row of rows) bytes += row.payload.length
    found.push(...rows)
    if (rows.length < ROWS_PER_LOOK) break
    last = (rows.at(-1) as RescuedRow).n - 1
  }
  return found.reverse()
}

/**
 * Puts back, under their own numbers, those rows that the store does not have. Where others have given such a number
 * out again meanwhile, a row gets a new one; then, and where rows were filled in behind the head, the store gets a
 * new epoch, for readers have passed by. Returns how many there were.
 */
export function putBack(connection: Connection, rescued: Rescued): number {
  const { events, dedupes } = connection.tables
  const insert = connection.prepare(
    `INSERT INTO ${events} (id, key, event, payload, kind, created_at) VALUES (?, ?, ?, ?, ?, ?)`,
  )
  const insertAnew = connection.prepare(
    `INSERT INTO ${events} (key, event, payload, kind, created_at) VALUES (?, ?, ?, ?, ?)`,
  )
  const insertDedupe = connection.prepare(
    `INSERT OR IGNORE INTO ${dedupes} (n, key, dedupe) VALUES (?, ?, ?)`,
  )

  return connection.transaction('BEGIN IMMEDIATE', () => {
    const { head, floor } = connection.standing()
    const displaced: RescuedRow[] = []
    let restored = 0
    let isMixed = false
    for (const row of rescued) {
      const there = connection.rowAt(row.n)
      if (there?.key === row.key && there.createdAt === row.createdAt) continue
      if (there) displaced.push(row)
      else if (row.n > floor && connection.markOf(row.key) < row.n) {
        insert.run(row.n, row.key, row.event, row.payload, row.kind, row.createdAt)
        if (row.dedupe !== null) insertDedupe.run(row.n, row.key, row.dedupe)
        restored += 1
        // Below the start of an epoch nobody reads on; within it somebody may have.
        isMixed ||= row.n > head.start && row.n <= head.n
      }
    }
    for (const { key, event, payload, kind, createdAt } of displaced) {
      insertAnew.run(key, event, payload, kind, createdAt)
    }
    if (isMixed || displaced.length > 0) renew(connection, 0)
    return restored + displaced.length
  })
}
