import type { Retention } from '../../options.js'
import type { Opened } from './opener.js'

/** One batch of deleting, inside a write transaction. */
export type Prune = (opened: Opened, retention: Retention, batch: number) => Step

/** What one batch did: rows deleted, rows dealt with; `more` where another should follow. */
export interface Step {
  readonly deleted: number
  readonly dealt: number
  readonly more: boolean
}

/** A step that is over. */
export const NOTHING: Step = Object.freeze({ deleted: 0, dealt: 0, more: false })

const MARKS_OUTLIVE_RETENTION = 7
/** A mark takes about 150 bytes: they may fill a quarter of the store, and 15 MB at the most. */
const MOST_MARKS = 100_000
const BYTES_PER_MARK = 600

/** The oldest rows come first, so a batch without an old row ends the search. */
export function byAge({ connection }: Opened, retention: Retention, batch: number): Step {
  const { events } = connection.tables
  if (retention.maxAge === Number.POSITIVE_INFINITY) return NOTHING
  const { changes } = connection
    .prepare(
      `DELETE FROM ${events} WHERE id IN (SELECT id FROM ${events} ORDER BY id LIMIT ?) AND created_at < ?`,
    )
    .run(batch, Date.now() - retention.maxAge)
  return { deleted: Number(changes), dealt: Number(changes), more: Number(changes) > 0 }
}

/** Only keys that got rows since the last look can have too many: `counted` is how far that look went. */
export function byCount({ connection }: Opened, { maxPerKey }: Retention, batch: number): Step {
  const { events } = connection.tables
  if (maxPerKey === Number.POSITIVE_INFINITY) return NOTHING
  const counted = Number(connection.getMeta('counted') ?? 0)
  const fresh = connection
    .prepare(`SELECT id, key FROM ${events} WHERE id > ? ORDER BY id LIMIT ?`)
    .all(counted, batch) as { id: number; key: string }[]
  const newestToGo = connection.prepare(
    `SELECT id FROM ${events} WHERE key = ? ORDER BY id DESC LIMIT 1 OFFSET ?`,
  )
  const remove = connection.prepare(
    `DELETE FROM ${events} WHERE id IN (SELECT id FROM ${events} WHERE key = ? AND id <= ? ORDER BY id LIMIT ?)`,
  )
  let deleted = 0
  for (const key of new Set(fresh.map((row) => row.key))) {
    const last = newestToGo.get(key, maxPerKey) as { id: number } | undefined
    if (last) deleted += Number(remove.run(key, last.id, batch - deleted).changes)
    // The rest of this key's surplus is found by looking at the same rows again.
    if (deleted >= batch) return { deleted, dealt: deleted, more: true }
  }
  const to = fresh.at(-1)?.id
  if (to !== undefined) connection.setMeta('counted', String(to))
  return { deleted, dealt: Math.max(deleted, fresh.length), more: fresh.length === batch }
}

/** Deletes no more of the oldest rows than weigh what is too much; pages are freed whole, so it may take turns. */
export function byBytes({ connection }: Opened, { maxBytes }: Retention, batch: number): Step {
  const { events } = connection.tables
  let excess = connection.bytes() - maxBytes
  if (excess <= 0) return NOTHING
  const oldest = connection
    .prepare(`SELECT id, length(CAST(payload AS BLOB)) AS weight FROM ${events} ORDER BY id LIMIT ?`)
    .all(batch) as { id: number; weight: number }[]
  const last = oldest.find((row) => {
    excess -= row.weight
    return excess <= 0
  })
  const id = (last ?? oldest.at(-1))?.id ?? 0
  const { changes } = connection.prepare(`DELETE FROM ${events} WHERE id <= ?`).run(id)
  return { deleted: Number(changes), dealt: Number(changes), more: Number(changes) > 0 }
}

/**
 * The step of one pass that makes one floor for all keys of marks older than seven retentions, and of the oldest of too
 * many: keys that are used once leave a mark each, and marks take room from the events.
 */
export function createFolder(): Prune {
  /** Marks up to this number are too many. Counted once, for that takes a millisecond or two. */
  let surplus: number | null = null

  return ({ connection }, { maxAge, maxBytes }, batch) => {
    const { pruned, standing } = connection.tables
    const oldest = Date.now() - MARKS_OUTLIVE_RETENTION * maxAge
    surplus ??= newestBeyond(connection, Math.min(MOST_MARKS, Math.floor(maxBytes / BYTES_PER_MARK)))
    const limit = surplus
    const marks = connection.prepare(`SELECT n, at FROM ${pruned} ORDER BY n LIMIT ?`).all(batch) as {
      n: number
      at: number
    }[]
    const young = marks.findIndex((mark) => mark.n > limit && mark.at >= oldest)
    const floor = (young === -1 ? marks.at(-1) : marks[young - 1])?.n
    if (floor === undefined) return NOTHING
    connection.prepare(`UPDATE ${standing} SET floor = max(floor, ?)`).run(floor)
    const { changes } = connection.prepare(`DELETE FROM ${pruned} WHERE n <= ?`).run(floor)
    return { deleted: 0, dealt: Number(changes), more: young === -1 && marks.length === batch }
  }
}

/** Number of the newest mark beyond the `most` newest; 0 where there are no more. */
function newestBeyond({ prepare, tables }: Opened['connection'], most: number): number {
  const mark = prepare(`SELECT n FROM ${tables.pruned} ORDER BY n DESC LIMIT 1 OFFSET ?`).get(most)
  return (mark as { n: number } | undefined)?.n ?? 0
}
