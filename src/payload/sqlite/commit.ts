import { performance } from 'node:perf_hooks'
import type { Cursor, Hint } from '../../event.js'
import type { Appended, NewRow } from '../engine.js'
import { ensureContinued } from './history.js'
import { type Inserted, isPlain } from './insert.js'
import { Moved, type Opened, type Opener, Unseen } from './opener.js'

export interface CommitSite {
  readonly opener: Opener
  /** Called once the rows are known to be in the store that stands at the path. */
  readonly onCommit: (head: Cursor) => void
  readonly newestSignal: () => Hint | null
}

/** The rows of one call. */
type Rows = readonly NewRow[]

/** Milliseconds for which a comparison with what was signalled is good enough to insert by one statement. */
const TRUST = 100

/**
 * Commits some calls' rows in one transaction, and tells what was stored for each. Those whose commit turns out to be
 * good for nothing are noted in `adrift`.
 */
export function commit(site: CommitSite, calls: readonly Rows[], adrift: WeakSet<object>): Appended[] {
  return site.opener.attempt((opened) => {
    const inserted = insert(opened, calls, site.newestSignal)
    const acknowledge = (): Appended[] => {
      // A handle on a deleted or renamed file goes on committing without error: then `attempt` does it all
      // again in the file that stands at the path.
      if (opened.connection.files.glance() !== 'here') {
        opened.unsaved = inserted.flat().find((row) => row.stored)?.n ?? Number.POSITIVE_INFINITY
        for (const call of calls) adrift.add(call)
        throw new Moved()
      }
      if (noteHead(opened, calls.flat(), inserted.flat())) site.onCommit(opened.known)
      const { epoch } = opened.known
      return inserted.map((rows) => ({ epoch, rows: rows.map(({ n, stored }) => ({ n, stored })) }))
    }
    try {
      return acknowledge()
    } catch (error) {
      throw error instanceof Moved ? error : new Unseen(acknowledge, error)
    }
  }, false)
}

/** One statement for one plain row; a transaction for more, and where the store was not looked at for a while. */
function insert(opened: Opened, calls: readonly Rows[], newestSignal: () => Hint | null): Inserted[][] {
  const { rows, connection, known } = opened
  const single = calls.length === 1 && calls[0]?.length === 1 ? calls[0][0] : undefined
  if (single && isPlain(single) && performance.now() - opened.lookedAt < TRUST) {
    const inserted = rows.insertAfter(single, known)
    if (inserted) return [[inserted]]
  }
  return connection.transaction('BEGIN IMMEDIATE', () => {
    ensureContinued(opened, newestSignal)
    return calls.map((call) => rows.insertMany(call))
  })
}

/** Remembers the newest row that was stored just now; false for none. */
function noteHead(opened: Opened, rows: readonly NewRow[], inserted: readonly Inserted[]): boolean {
  const at = inserted.findLastIndex((row) => row.stored)
  if (at === -1) return false
  const { n, createdAt } = inserted[at] as Inserted
  opened.known = { epoch: opened.known.epoch, n, row: { key: (rows[at] as NewRow).key, createdAt } }
  return true
}
