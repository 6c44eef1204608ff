import type { Retention } from '../../options.js'
import { type Ages, createAges, type Stamped } from './ages.js'
import type { Connection } from './connection.js'
import type { Opened } from './opener.js'
import { isClock } from './stamp.js'

/** What one batch did: rows deleted, rows dealt with; `more` where another should follow. */
interface Aged {
  readonly deleted: number
  readonly dealt: number
  readonly more: boolean
}

/** Clocks of one machine's processes are less than this apart, in milliseconds: a row from later is told. */
const AHEAD = 60_000

/**
 * The step of one pass that deletes rows above their age, whatever the clocks said; see ages.ts. It looks at rows until
 * one is young, which mostly is the first.
 *
 * Rows behind which none tells its age would stay for ever: what the store held then, and when, is noted in `meta` and
 * tells it later. `onAhead` is told of the newest row if it is from the future, and otherwise null.
 */
export function createByAge(onAhead: (row: Stamped | null) => void) {
  let ages: Ages | null = null
  let from = 0
  let now = 0

  return ({ connection }: Opened, { maxAge }: Retention, batch: number): Aged => {
    const { events } = connection.tables
    if (maxAge === Number.POSITIVE_INFINITY) return { deleted: 0, dealt: 0, more: false }
    if (!ages) {
      now = Date.now()
      ages = createAges(now, now - maxAge, knownOf(connection))
    }
    const rows = connection
      .prepare(`SELECT id AS n, created_at AS at FROM ${events} WHERE id > ? ORDER BY id LIMIT ?`)
      .all(from, ages.isOver ? 0 : batch) as Stamped[]
    ages.look(rows)
    from = rows.at(-1)?.n ?? from
    const { changes } = connection
      .prepare(
        `DELETE FROM ${events} WHERE id IN (SELECT id FROM ${events} WHERE id <= ? ORDER BY id LIMIT ?)`,
      )
      .run(ages.old, batch)
    const deleted = Number(changes)
    const isSeen = ages.isOver || rows.length < batch
    if (isSeen && deleted < batch) {
      if (!ages.isOver && ages.odd) note(connection, ages.odd.n, ages.old, now)
      const newest = connection
        .prepare(`SELECT id AS n, created_at AS at FROM ${events} ORDER BY id DESC LIMIT 1`)
        .get() as Stamped | undefined
      onAhead(newest && newest.at > now + AHEAD ? newest : null)
      return { deleted, dealt: deleted, more: false }
    }
    return { deleted, dealt: Math.max(deleted, rows.length), more: true }
  }
}

/** `n` was the newest row at `at`. */
function knownOf({ getMeta }: Connection): Stamped | null {
  const [n, at] = (getMeta('aged') ?? '').split(' ').map(Number)
  return n !== undefined && at !== undefined && Number.isSafeInteger(n) && Number.isSafeInteger(at)
    ? { n, at }
    : null
}

/** What is noted stays until it has told its part, unless a clock was wrong then. */
function note(connection: Connection, n: number, old: number, now: number): void {
  const known = knownOf(connection)
  const isOfUse = known !== null && known.n > old && known.at <= now && isClock(known.at)
  if (!isOfUse && isClock(now)) connection.setMeta('aged', `${n} ${now}`)
}
