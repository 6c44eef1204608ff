import type { NewRow } from '../engine.js'
import type { Database } from './driver.js'
import type { Tables } from './schema/tables.js'

/** A row's number, and whether it was stored just now or `dedupe` found an earlier one. */
export interface Inserted {
  readonly n: number
  readonly stored: boolean
}

/** Returns a function that stores one row; one with a dedupe key takes two statements, so call it inside a write transaction. */
export function prepareInsert(
  db: Pick<Database, 'prepare'>,
  { events, dedupes }: Tables,
): (row: NewRow) => Inserted {
  const insert = db.prepare(
    `INSERT INTO ${events} (key, event, payload, kind, created_at) VALUES (?, ?, ?, ?, ?)`,
  )
  const selectDedupe = db.prepare(`SELECT n FROM ${dedupes} WHERE key = ? AND dedupe = ?`)
  const insertDedupe = db.prepare(`INSERT INTO ${dedupes} (n, key, dedupe) VALUES (?, ?, ?)`)

  function insertRow(row: NewRow): Inserted {
    const kind = row.kind === 'end' ? 1 : 0
    const { lastInsertRowid } = insert.run(row.key, row.event, row.payload, kind, Date.now())
    return { n: Number(lastInsertRowid), stored: true }
  }

  function insertDeduped(row: NewRow, dedupe: string): Inserted {
    const earlier = selectDedupe.get(row.key, dedupe) as { n: number } | undefined
    if (earlier) return { n: earlier.n, stored: false }
    const inserted = insertRow(row)
    insertDedupe.run(inserted.n, row.key, dedupe)
    return inserted
  }

  return (row) => (row.dedupe === null ? insertRow(row) : insertDeduped(row, row.dedupe))
}
