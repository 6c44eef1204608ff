import { performance } from 'node:perf_hooks'
import type { Cursor, Hint } from '../../event.js'
import type { Appended, NewRow } from '../engine.js'
import { ensureContinued } from './history.js'
import { type Inserted, isPlain } from './insert.js'
import { Moved, Unseen } from './obstacles.js'
import type { Opened, Opener } from './opener.js'

export interface CommitSite {
  readonly opener: Opener
  /** Called once the rows are known to be in the store that stands at the path. */
  readonly onCommit: (head: Cursor) => void
  readonly newestSignal: () => Hint | null
}

/** The rows of one call. */
type Rows = readonly NewRow[]

/** Calls that were committed to files which then were not all at the path, and what was stored there for each. */
export type Adrift = WeakMap<object, { readonly epoch: string; readonly rows: readonly Inserted[] }>

/** Milliseconds for which a comparison with what was signalled is good enough to insert by one statement. */
const TRUST = 100

/**
 * Commits some calls' rows in one transaction, and tells what was stored for each. Those whose commit turns out to be
 * good for nothing are noted in `adrift`.
 */
export function commit(site: CommitSite, calls: readonly Rows[], adrift: Adrift): Appended[] {
  return site.opener.attempt((opened) => {
    const row = plainRow(calls)
    const single =
      row && isTrusted(opened) && !adrift.has(calls[0] as Rows)
        ? opened.rows.insertAfter(row, opened.known)
        : null
    const stored = single ? [[single]] : insertAll(opened, calls, site.newestSignal, adrift)

    const acknowledge = (): Appended[] => {
      // A handle on a deleted or renamed file goes on committing without error: then `attempt` does it all
      // again in the file that stands at the path.
      if (opened.connection.files.glance() !== 'here') {
        opened.unsaved = stored.flat().find((inserted) => inserted.stored)?.n ?? Number.POSITIVE_INFINITY
        const { epoch } = opened.known
        for (const [i, call] of calls.entries()) adrift.set(call, { epoch, rows: stored[i] ?? [] })
        throw new Moved()
      }
      const isNews = single ? noteRow(opened, row as NewRow, single) : noteNewest(opened, calls, stored)
      if (isNews) site.onCommit(opened.known)
      const { epoch } = opened.known
      return stored.map((rows) => ({ epoch, rows: rows.map(({ n, stored }) => ({ n, stored })) }))
    }
    try {
      return acknowledge()
    } catch (error) {
      throw error instanceof Moved ? error : new Unseen(acknowledge, error)
    }
  }, false)
}

/** The row, where it is one alone that one statement can store. */
function plainRow(calls: readonly Rows[]): NewRow | null {
  const row = calls.length === 1 && calls[0]?.length === 1 ? calls[0][0] : undefined
  return row && isPlain(row) ? row : null
}

/** True where the store was compared with what was signalled a moment ago. */
function isTrusted({ lookedAt }: Opened): boolean {
  return performance.now() - lookedAt < TRUST
}

function insertAll(
  opened: Opened,
  calls: readonly Rows[],
  newestSignal: () => Hint | null,
  adrift: Adrift,
): readonly (readonly Inserted[])[] {
  return opened.connection.transaction('BEGIN IMMEDIATE', () => {
    ensureContinued(opened, newestSignal)
    return calls.map((call) => found(opened, call, adrift) ?? opened.rows.insertMany(call))
  })
}

/** Rows of a call that are there after all: where only the -shm was lost, they stand in the store's own -wal. */
function found({ connection, known }: Opened, call: Rows, adrift: Adrift): readonly Inserted[] | null {
  const earlier = adrift.get(call)
  if (!earlier?.rows.some(({ stored }) => stored) || earlier.epoch !== known.epoch) return null
  const isThere = earlier.rows.every(({ n, stored, createdAt }, i) => {
    const row = stored ? connection.rowAt(n) : null
    return !stored || (row?.key === call[i]?.key && row?.createdAt === createdAt)
  })
  return isThere ? earlier.rows : null
}

function noteRow(opened: Opened, { key }: NewRow, { n, createdAt }: Inserted): boolean {
  opened.known = { epoch: opened.known.epoch, n, row: { key, createdAt } }
  return true
}

/** Remembers the newest row that was stored just now; false for none. */
function noteNewest(
  opened: Opened,
  calls: readonly Rows[],
  stored: readonly (readonly Inserted[])[],
): boolean {
  const inserted = stored.flat()
  const at = inserted.findLastIndex((one) => one.stored)
  if (at === -1) return false
  const newest = inserted[at] as Inserted
  // What was found to be there after all may have others behind it.
  if (newest.n > opened.known.n) noteRow(opened, calls.flat()[at] as NewRow, newest)
  return true
}
