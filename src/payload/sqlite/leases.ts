import type { Lease, Leases, NewRow } from '../engine.js'
import { prepareDeadlines } from './deadlines.js'
import type { Database } from './driver.js'
import type { Opener } from './opener.js'
import type { Tables } from './schema/tables.js'

/** The statements on leases, prepared once per connection. */
export interface LeaseRows {
  take(key: string, holder: string, lasts: number): boolean
  renew(key: string, holder: string, lasts: number): boolean
  overdue(): Lease[]
  /**
   * True where a row may be stored. Prolongs its lease, or takes it away where the row is an end; call it in
   * the transaction of the insert.
   */
  admit(row: NewRow): boolean
}

/** The rest is found by the next look. */
const MOST_OVERDUE = 100

export function prepareLeases(db: Pick<Database, 'prepare'>, tables: Tables): LeaseRows {
  const { writers } = tables
  const deadlines = prepareDeadlines(db, tables, 'writers')
  const insert = db.prepare(
    `INSERT OR IGNORE INTO ${writers} (key, holder, lasts, clock, until) VALUES (?, ?, ?, ?, ?)`,
  )
  const update = db.prepare(
    `UPDATE ${writers} SET lasts = ?, clock = ?, until = ? WHERE key = ? AND holder = ?`,
  )
  const remove = db.prepare(`DELETE FROM ${writers} WHERE key = ?`)
  const removeHeld = db.prepare(`DELETE FROM ${writers} WHERE key = ? AND holder = ?`)
  const hasChanged = ({ changes }: { changes: number | bigint }): boolean => Number(changes) > 0
  const renew = (key: string, holder: string, lasts: number): boolean =>
    hasChanged(update.run(...deadlines.from(lasts), key, holder))

  return {
    take: (key, holder, lasts) => hasChanged(insert.run(key, holder, ...deadlines.from(lasts))),
    renew,
    overdue: () => {
      try {
        deadlines.note()
      } catch {
        // Somebody else is writing, or this process may not: the next look notes it.
      }
      return deadlines.over(MOST_OVERDUE).map(({ id, holder }) => ({ key: String(id), holder }))
    },
    admit: ({ key, kind, lease }) => {
      if (lease && kind === 'event') return renew(key, lease.holder, lease.lasts)
      if (lease?.ifOver && !deadlines.isOver(key, lease.holder)) return false
      if (lease) return hasChanged(removeHeld.run(key, lease.holder))
      if (kind === 'end') remove.run(key)
      return true
    },
  }
}

/** Leases of the store behind `opener`, which is opened when one is first asked for. */
export function createLeases(opener: () => Opener): Leases {
  return {
    take: async (key, holder, lasts) => opener().run(({ leases }) => leases.take(key, holder, lasts)),
    renew: async (key, holder, lasts) => opener().run(({ leases }) => leases.renew(key, holder, lasts)),
    overdue: async () => opener().run(({ leases }) => leases.overdue()),
  }
}
