import type { Lease, Leases, NewRow } from '../engine.js'
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

export function prepareLeases(db: Pick<Database, 'prepare'>, { writers }: Tables): LeaseRows {
  const insert = db.prepare(`INSERT OR IGNORE INTO ${writers} (key, holder, until) VALUES (?, ?, ?)`)
  const update = db.prepare(`UPDATE ${writers} SET until = ? WHERE key = ? AND holder = ?`)
  const remove = db.prepare(`DELETE FROM ${writers} WHERE key = ?`)
  const removeHeld = db.prepare(`DELETE FROM ${writers} WHERE key = ? AND holder = ? AND until <= ?`)
  const selectOver = db.prepare(
    `SELECT key, holder FROM ${writers} WHERE until <= ? ORDER BY until LIMIT ${MOST_OVERDUE}`,
  )
  const hasChanged = ({ changes }: { changes: number | bigint }): boolean => Number(changes) > 0
  const renew = (key: string, holder: string, lasts: number): boolean =>
    hasChanged(update.run(Date.now() + lasts, key, holder))

  return {
    take: (key, holder, lasts) => hasChanged(insert.run(key, holder, Date.now() + lasts)),
    renew,
    overdue: () => selectOver.all(Date.now()) as Lease[],
    admit: ({ key, kind, lease }) => {
      if (lease && kind === 'event') return renew(key, lease.holder, lease.lasts)
      if (lease) {
        return hasChanged(
          removeHeld.run(key, lease.holder, lease.ifOver ? Date.now() : Number.MAX_SAFE_INTEGER),
        )
      }
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
