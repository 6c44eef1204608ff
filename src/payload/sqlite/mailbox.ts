import type { Claim, Claimed, ClaimRequest, Mailbox } from '../engine.js'
import type { Connection } from './connection.js'
import { prepareDeadlines } from './deadlines.js'
import type { Opened, Opener } from './opener.js'
import { ROW, type StoredRow, toRow } from './rows.js'

/** Longer than a flush takes; short enough for what a killed process held. */
export const LEASE = 30_000
/** To SQLite, a limit that is none. */
const ALL = -1

/** Claims kept in the store's own table, so that all processes of the machine see them. `lease` is in milliseconds. */
export function createMailbox(opener: () => Opener, lease: number): Mailbox {
  const prepared = new WeakMap<Connection, Claims>()

  /** Most processes never claim anything: they need not prepare the statements. */
  function claimsOf(opened: Opened): Claims {
    const claims = prepared.get(opened.connection) ?? prepareClaims(opened, lease)
    prepared.set(opened.connection, claims)
    return claims
  }

  return {
    lease,
    claim: async (request) => opener().run((opened) => claimsOf(opened).claim(request)),
    taken: async (claims) => opener().run((opened) => claimsOf(opened).settle(claims, true)),
    giveBack: async (claims) => opener().run((opened) => claimsOf(opened).settle(claims, false)),
  }
}

interface Claims {
  claim(request: ClaimRequest): Claimed
  settle(claims: readonly Claim[], taken: boolean): void
}

function prepareClaims({ connection, rows }: Opened, lease: number): Claims {
  const { events, claims } = connection.tables
  const deadlines = prepareDeadlines(connection, connection.tables, 'claims')
  const selectWaiting = connection.prepare(
    `SELECT id FROM ${events} WHERE key = ? AND kind = 0
      AND NOT EXISTS (SELECT 1 FROM ${claims} WHERE n = id) ORDER BY id LIMIT ?`,
  )
  const selectEvents = connection.prepare(`SELECT id FROM ${events} WHERE key = ? AND kind = 0 LIMIT ?`)
  const selectRow = connection.prepare(`SELECT ${ROW} FROM ${events} WHERE id = ?`)
  const insertClaim = connection.prepare(
    `INSERT INTO ${claims} (n, holder, lasts, clock, until) VALUES (?, ?, ?, ?, ?)`,
  )
  const deleteClaim = connection.prepare(`DELETE FROM ${claims} WHERE n = ? AND holder = ?`)
  const deleteEvent = connection.prepare(`DELETE FROM ${events} WHERE id = ?`)

  function claim(request: ClaimRequest): Claimed {
    // Whoever finds nothing needs no write lock: a thousand idle mailboxes never get in a publisher's way.
    const found = connection.transaction('BEGIN', () =>
      request.count === 0 || (waiting(request, 1).length === 0 && !deadlines.isDue())
        ? answer(request, [])
        : null,
    )
    return found ?? connection.transaction('BEGIN IMMEDIATE', () => answer(request, hold(request)))
  }

  /** Voids what is over first, which also clears what was claimed and then pruned. */
  function hold(request: ClaimRequest): number[] {
    deadlines.note()
    for (const { id, holder } of deadlines.over(ALL)) deleteClaim.run(id, holder)
    const ids = waiting(request, request.count)
    for (const id of ids) insertClaim.run(id, request.holder, ...deadlines.from(lease))
    return ids
  }

  function waiting({ keys }: ClaimRequest, count: number): number[] {
    const ids: number[] = []
    for (const key of keys) {
      for (const row of selectWaiting.all(key, count)) ids.push((row as { id: number }).id)
    }
    if (keys.length > 1) ids.sort((a, b) => a - b)
    return ids.slice(0, count)
  }

  function answer({ keys }: ClaimRequest, ids: readonly number[]): Claimed {
    const head = connection.head()
    const claimed = ids.map((id) => toRow(selectRow.get(id) as StoredRow))
    const left = hasMore(keys, ids.length)
    const ends = left || ids.length > 0 ? null : rows.ended(keys, head.n)
    return { epoch: head.epoch, rows: claimed, left, over: ends?.size === keys.length ? ends : null }
  }

  function hasMore(keys: readonly string[], than: number): boolean {
    let count = 0
    return keys.some((key) => {
      count += selectEvents.all(key, than + 1).length
      return count > than
    })
  }

  /** A claim that expired is somebody else's by now, or will be. */
  function settle(settled: readonly Claim[], taken: boolean): void {
    connection.transaction('BEGIN IMMEDIATE', () => {
      for (const { n, holder } of settled) {
        const { changes } = deleteClaim.run(n, holder)
        if (taken && Number(changes) > 0) deleteEvent.run(n)
      }
    })
  }

  return { claim, settle }
}
