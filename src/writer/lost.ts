import { setTimeout as pause } from 'node:timers/promises'
import { shared } from '../commons.js'
import type { Lease, NewRow, PayloadEngine } from '../payload/engine.js'
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
 * After a standstill of all processes at once (a container that was paused) every lease is over, and those who live
 * renew theirs as soon as they run. So whoever seems dead is looked at again, this many milliseconds later.
 */
const SECOND_LOOK = 200

/**
 * Looks for writers that are gone, and ends their keys, with the reason `lost`.
 *
 * However many processes look, one end is stored for each: the row goes in only while the lease is there and over, and
 * takes it away. Rejects where the store cannot be read; `ended` rejects as `append` does.
 */
export async function endLost(payload: PayloadEngine): Promise<Lost> {
  const silent = await overdue(payload)
  if (silent.length === 0) return NOBODY
  await pause(SECOND_LOOK)
  const holders = new Set(silent.map(({ holder }) => holder))
  const gone = (await overdue(payload)).filter(({ holder }) => holders.has(holder))
  if (gone.length === 0) return NOBODY
  return { count: gone.length, ended: payload.append(gone.map(lostRow)) }
}

async function overdue(payload: PayloadEngine): Promise<Lease[]> {
  const over = (await payload.leases?.overdue()) ?? []
  return over.filter(({ holder }) => !aliveHere().has(holder))
}

function lostRow({ key, holder }: Lease): NewRow {
  const lease = { holder, lasts: 0, ifOver: true }
  return { key, event: null, payload: encodeEnding(REASONS.lost), kind: 'end', dedupe: null, lease }
}
