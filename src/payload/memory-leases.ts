import type { Leases, NewRow } from './engine.js'

/** Leases of one process, and whether they allow a row to be stored. */
export interface MemoryLeases extends Leases {
  /** Prolongs the row's lease, or takes it away where the row is an end; false where it must not be stored. */
  admit(row: NewRow): boolean
}

export function createMemoryLeases(): MemoryLeases {
  const leases = new Map<string, { holder: string; until: number }>()

  function renew(key: string, holder: string, lasts: number): boolean {
    const lease = leases.get(key)
    if (lease?.holder !== holder) return false
    lease.until = performance.now() + lasts
    return true
  }

  function admit({ key, kind, lease }: NewRow): boolean {
    if (lease && kind === 'event') return renew(key, lease.holder, lease.lasts)
    if (kind === 'event') return true
    const held = leases.get(key)
    if (lease && (held?.holder !== lease.holder || (lease.ifOver && held.until > performance.now())))
      return false
    leases.delete(key)
    return true
  }

  return {
    admit,
    take: async (key, holder, lasts) => {
      if (leases.has(key)) return false
      leases.set(key, { holder, until: performance.now() + lasts })
      return true
    },
    renew: async (key, holder, lasts) => renew(key, holder, lasts),
    overdue: async () => {
      const now = performance.now()
      return [...leases].flatMap(([key, { holder, until }]) => (until <= now ? [{ key, holder }] : []))
    },
  }
}
