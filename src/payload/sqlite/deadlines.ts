import type { Database } from './driver.js'
import { machineClock } from './machine-clock.js'
import type { Tables } from './schema/tables.js'

/**
 * When the rows of one table, writers' leases or claims, count as abandoned.
 *
 * No wall clock is asked: it may be set forward, which would end the living, or back, which would keep what the dead
 * held. Each row carries its deadline by the monotonic clock of its holder's machine, with that clock's name. Whoever
 * reads the same clock compares, also a process that lives for a moment only. For everybody else (the machine was
 * started again, or a container has a kernel or a time of its own) the deadline is a number that changes with each
 * renewal: they note it beside their own deadline, and the row is over when that has passed and the number is still
 * the same. So no two clocks are ever compared, and the worst that a doubtful clock costs is one lease more.
 */
export interface Deadlines {
  /** What the columns `lasts`, `clock` and `until` say of a lease that begins now. */
  from(lasts: number): readonly [number, string, number]
  /** The rows that are over, at most about `most`. */
  over(most: number): Held[]
  isOver(id: number | string, holder: string): boolean
  /** True where `over` has something, or `note` would begin to count. */
  isDue(): boolean
  /** Begins to count for rows with another clock. Writes where there is one that was renewed since the last time. */
  note(): void
}

/** `id` is the key of a writer, or the number of a claimed event. */
export interface Held {
  readonly id: number | string
  readonly holder: string
}

/** A row with another clock; `due` is its end by our own, null where nobody counts yet. */
interface Foreign extends Held {
  readonly renewed: number
  readonly lasts: number
  readonly due: number | null
}

const ID = Object.freeze({ claims: 'n', writers: 'key' })

export function prepareDeadlines(
  db: Pick<Database, 'prepare'>,
  tables: Tables,
  table: 'claims' | 'writers',
): Deadlines {
  const rows = tables[table]
  const id = `t.${ID[table]}`
  const { sightings } = tables
  const sighted = `LEFT JOIN ${sightings} s ON s.holder = t.holder AND s.clock = ? AND s.renewed = t.until`
  const selectOver = db.prepare(
    `SELECT ${id} AS id, holder FROM ${rows} t WHERE clock = ? AND until <= ? ORDER BY until LIMIT ?`,
  )
  const selectForeign = db.prepare(
    `SELECT ${id} AS id, t.holder, t.until AS renewed, t.lasts, s.until AS due FROM ${rows} t ${sighted}
      WHERE t.clock < ? OR t.clock > ?`,
  )
  const selectOne = db.prepare(
    `SELECT CASE t.clock WHEN ? THEN t.until ELSE s.until END AS due FROM ${rows} t ${sighted}
      WHERE ${id} = ? AND t.holder = ?`,
  )
  const insertSighting = db.prepare(
    `INSERT OR REPLACE INTO ${sightings} (holder, clock, renewed, until) VALUES (?, ?, ?, ?)`,
  )
  const deleteIdle = db.prepare(
    `DELETE FROM ${sightings}
      WHERE holder NOT IN (SELECT holder FROM ${tables.claims} UNION ALL SELECT holder FROM ${tables.writers})`,
  )

  function foreign(): Foreign[] {
    const { name } = machineClock()
    return selectForeign.all(name, name, name) as Foreign[]
  }

  function over(most: number): Held[] {
    const clock = machineClock()
    const own = selectOver.all(clock.name, clock.now(), most) as Held[]
    const others = foreign().filter(({ due }) => due !== null && due <= clock.now())
    return [...own, ...others]
  }

  return {
    from: (lasts) => {
      const clock = machineClock()
      return [lasts, clock.name, clock.now() + lasts]
    },
    over,
    isOver: (row, holder) => {
      const { name, now } = machineClock()
      const found = selectOne.get(name, name, row, holder) as { due: number | null } | undefined
      return found !== undefined && found.due !== null && found.due <= now()
    },
    isDue: () => over(1).length > 0 || foreign().some(({ due }) => due === null),
    note: () => {
      const unseen = foreign().filter(({ due }) => due === null)
      if (unseen.length === 0) return
      const clock = machineClock()
      // Before, not after: what is noted here is held.
      deleteIdle.run()
      for (const { holder, renewed, lasts } of unseen) {
        insertSighting.run(holder, clock.name, renewed, clock.now() + lasts)
      }
    },
  }
}
