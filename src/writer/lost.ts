import { shared } from '../commons.js'
import type { NewRow, PayloadEngine } from '../payload/engine.js'
import { encodeEnding, REASONS } from '../reason.js'

/** Writers that were found to be gone: how many, and their end rows on the way into a store that may be busy. */
export interface Lost {
  readonly count: number
  readonly ended: Promise<unknown>
}

/**
 * Holders that live in this process. After a standstill of the whole process or machine their time may be over: here
 * they are known to be alive, and renew next.
 */
export function aliveHere(): Set<string> {
  return shared('writers', () => new Set())
}

const NOBODY: Lost = Object.freeze({ count: 0, ended: Promise.resolve() })

/**
 * Looks for writers that are gone, and ends their keys, with the reason `lost`.
 *
 * However many processes look, one end is stored for each: the row goes in only while the lease is there and over, and
 * takes it away. Rejects where the store cannot be read; `ended` rejects as `append` does.
 */
export async function endLost(payload: PayloadEngine): Promise<Lost> {
  const overdue = (await payload.leases?.overdue()) ?? []
  const gone = overdue.filter(({ holder }) => !aliveHere().has(holder))
  if (gone.length === 0) return NOBODY
  return { count: gone.length, ended: payload.append(gone.map(lostRow)) }
}

function lostRow({ key, holder }: { key: string; holder: string }): NewRow {
  const lease = { holder, lasts: 0, ifOver: true }
  return { key, event: null, payload: encodeEnding(REASONS.lost), kind: 'end', dedupe: null, lease }
}
