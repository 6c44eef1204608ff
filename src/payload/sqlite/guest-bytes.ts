import type { Retention } from '../../options.js'
import type { Connection } from './connection.js'
import type { Opened } from './opener.js'
import type { Step } from './retention.js'

/** What a row takes beside its payload, about. */
const ROW = 100

/** SQL for the bytes of one of our rows in an application's database, whose pages tell nothing about us. */
export function weightOf(payload: string): string {
  return `length(CAST(${payload} AS BLOB)) + ${ROW}`
}

/**
 * The step of one pruning pass that keeps the newest events of an application's database up to `maxBytes`.
 *
 * There is no quick sum: it goes back from the newest row, a batch at a time, until the bytes are spent, and
 * deletes what lies before.
 */
export function createWeigher(): (opened: Opened, retention: Retention, batch: number) => Step {
  let weighed: Connection | null = null
  let from = 0
  let left = 0
  let cut: number | null = null

  /** Another file stands there now: what was weighed is of no use. */
  function begin(connection: Connection, maxBytes: number): void {
    weighed = connection
    from = Number.MAX_SAFE_INTEGER
    left = maxBytes
    cut = null
  }

  return ({ connection }, { maxBytes }, batch) => {
    const { events } = connection.tables
    if (maxBytes === Number.POSITIVE_INFINITY) return { deleted: 0, dealt: 0, more: false }
    if (connection !== weighed) begin(connection, maxBytes)
    if (cut !== null) {
      const doomed = `SELECT id FROM ${events} WHERE id <= ? ORDER BY id LIMIT ?`
      const { changes } = connection.prepare(`DELETE FROM ${events} WHERE id IN (${doomed})`).run(cut, batch)
      return { deleted: Number(changes), dealt: Number(changes), more: Number(changes) === batch }
    }
    const rows = connection
      .prepare(
        `SELECT id, ${weightOf('payload')} AS weight FROM ${events} WHERE id <= ? ORDER BY id DESC LIMIT ?`,
      )
      .all(from, batch) as { id: number; weight: number }[]
    for (const row of rows) {
      left -= row.weight
      if (left < 0) cut ??= row.id
      from = row.id - 1
    }
    return { deleted: 0, dealt: rows.length, more: cut !== null || rows.length === batch }
  }
}
