import type { Retention } from '../../options.js'
import { type Ages, createAges, type Stamped } from './ages.js'
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

/** A step that remembers row numbers begins anew where the store is another one: there they name other rows. */
export function perStore(create: () => Prune): Prune {
  let epoch = ''
  let prune = create()
  return (opened, retention, batch) => {
    const now = opened.connection.epoch()
    if (now !== epoch) {
      epoch = now
      prune = create()
    }
    return prune(opened, retention, batch)
  }
}

/** Keys are looked at for so long in one batch, in milliseconds: each has up to `maxPerKey` entries to be counted. */
const COUNT_TIME = 1

/**
 * The step of one pass that keeps `maxPerKey` of each key.
 *
 * Only keys that got rows since the last look can have too many: `counted` is how far that look went. A key that has
 * been counted need not be again before as many rows have come as it had room for.
 */
export function createByCount(): Prune {
  const room = new Map<string, number>()
  const unsure = new Set<string>()
  const surplus: { key: string; upTo: number }[] = []
  let counted: number | null = null
  /** A pass that took what comes meanwhile would never end where somebody publishes all the time. */
  let isAtHead = false

  /** Reads on where the last look ended. */
  function look({ connection }: Opened, batch: number): Step {
    const { events } = connection.tables
    const from = counted ?? Number(connection.getMeta('counted') ?? 0)
    const fresh = connection
      .prepare(`SELECT id, key FROM ${events} WHERE id > ? ORDER BY id LIMIT ?`)
      .all(from, batch) as { id: number; key: string }[]
    for (const { key } of fresh) {
      const left = (room.get(key) ?? 0) - 1
      room.set(key, left)
      if (left < 0) unsure.add(key)
    }
    counted = fresh.at(-1)?.id ?? from
    isAtHead = fresh.length < batch
    return { deleted: 0, dealt: fresh.length, more: true }
  }

  function count({ connection }: Opened, maxPerKey: number): Step {
    const end = performance.now() + COUNT_TIME
    const { events } = connection.tables
    const ids = connection.prepare(
      `SELECT count(*) AS n FROM (SELECT 1 FROM ${events} WHERE key = ? LIMIT ?)`,
    )
    const newestToGo = connection.prepare(
      `SELECT id FROM ${events} WHERE key = ? ORDER BY id DESC LIMIT 1 OFFSET ?`,
    )
    let dealt = 0
    for (const key of unsure) {
      const { n } = ids.get(key, maxPerKey + 1) as { n: number }
      const last = n > maxPerKey ? (newestToGo.get(key, maxPerKey) as { id: number }) : null
      if (last) surplus.push({ key, upTo: last.id })
      room.set(key, Math.max(0, maxPerKey - n))
      unsure.delete(key)
      dealt += 1
      if (performance.now() > end) break
    }
    return { deleted: 0, dealt, more: true }
  }

  function remove({ connection }: Opened, batch: number): Step {
    const { events } = connection.tables
    const some = connection.prepare(
      `DELETE FROM ${events} WHERE id IN (SELECT id FROM ${events} WHERE key = ? AND id <= ? ORDER BY id LIMIT ?)`,
    )
    let deleted = 0
    for (let first = surplus[0]; first !== undefined && deleted < batch; first = surplus[0]) {
      deleted += Number(some.run(first.key, first.upTo, batch - deleted).changes)
      if (deleted < batch) surplus.shift()
    }
    return { deleted, dealt: deleted, more: true }
  }

  return (opened, { maxPerKey }, batch) => {
    if (maxPerKey === Number.POSITIVE_INFINITY) return NOTHING
    if (surplus.length > 0) return remove(opened, batch)
    if (unsure.size > 0) return count(opened, maxPerKey)
    // All that was looked at so far is dealt with.
    if (counted !== null) opened.connection.setMeta('counted', String(counted))
    if (isAtHead) return NOTHING
    if (room.size > MOST_KEYS) room.clear()
    return look(opened, batch)
  }
}

/** Keys that are remembered in one pass. */
const MOST_KEYS = 100_000

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
  let ages: Ages | null = null
  let from = 0

  return ({ connection }, { maxAge, maxBytes }, batch) => {
    const { pruned, standing } = connection.tables
    const now = Date.now()
    ages ??= createAges(now, now - MARKS_OUTLIVE_RETENTION * maxAge)
    surplus ??= newestBeyond(connection, Math.min(MOST_MARKS, Math.floor(maxBytes / BYTES_PER_MARK)))
    const isTooMany = from < surplus
    const marks = connection
      .prepare(`SELECT n, at FROM ${pruned} WHERE n > ? ORDER BY n LIMIT ?`)
      .all(from, batch) as Stamped[]
    if (!ages.isOver) ages.look(marks)
    from = marks.at(-1)?.n ?? from
    const floor = Math.max(ages.old, isTooMany ? Math.min(surplus, from) : 0)
    const more = marks.length === batch && (from < surplus || !ages.isOver)
    if (floor === 0) return { deleted: 0, dealt: marks.length, more }
    connection.prepare(`UPDATE ${standing} SET floor = max(floor, ?)`).run(floor)
    const { changes } = connection.prepare(`DELETE FROM ${pruned} WHERE n <= ?`).run(floor)
    return { deleted: 0, dealt: Math.max(Number(changes), marks.length), more }
  }
}

/** Number of the newest mark beyond the `most` newest; 0 where there are no more. */
function newestBeyond({ prepare, tables }: Opened['connection'], most: number): number {
  const mark = prepare(`SELECT n FROM ${tables.pruned} ORDER BY n DESC LIMIT 1 OFFSET ?`).get(most)
  return (mark as { n: number } | undefined)?.n ?? 0
}
