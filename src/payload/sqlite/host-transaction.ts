import { FileSignalError, quotePath } from '../../errors.js'
import type { Cursor, Hint } from '../../event.js'
import type { NewRow, Transacted, Work } from '../engine.js'
import type { Statement } from './driver.js'
import { toFault } from './fault.js'
import { current } from './history.js'
import type { Host } from './host.js'
import { type Inserted, prepareInsert } from './insert.js'
import { Incomplete } from './obstacles.js'
import type { Opened } from './opener.js'

/** How a transaction ended: its rows, or why nothing is stored. */
export type TransactionEnd = { readonly transacted: Transacted } | { readonly fault: unknown }

export interface HostSite {
  readonly host: Host
  readonly newestSignal: () => Hint | null
  readonly onCommit: (head: Cursor) => void
}

/** What is said to SQLite on the application's connection; prepared when our tables are there. */
interface Statements {
  readonly insert: (row: NewRow) => Inserted
  readonly standing: Statement
}

/** A transaction that has begun, and the head before it. */
interface Begun {
  readonly statements: Statements
  readonly from: number
}

/** Named, so that its release tells whether the transaction is still the one that was begun. */
const SAVEPOINT = 'file_signal_transaction'

/**
 * Runs work in a transaction on the application's own connection.
 *
 * Throws where the work has not begun, mostly SQLITE_BUSY: then it may be tried again. What fails later is
 * returned, for the work must not run twice.
 */
export function createHostTransactions({ host, newestSignal, onCommit }: HostSite) {
  const { db } = host
  let prepared: Statements | null = null

  function run(opened: Opened, work: Work): TransactionEnd {
    const { statements, from } = begin(opened)
    const added: Inserted[] = []
    let kept: readonly (Inserted | null)[]
    let to: number
    try {
      work((rows) => {
        if (!host.isInTransaction()) throw ended()
        try {
          for (const row of rows) added.push(statements.insert(row))
        } catch (error) {
          throw toFault(error, host.path)
        }
      })
    } catch (error) {
      const isStored = !host.isInTransaction() && isThere(added)
      rollBack()
      return { fault: isStored ? ended(error) : error }
    }
    try {
      db.exec(`RELEASE ${SAVEPOINT}`)
    } catch (cause) {
      rollBack()
      return { fault: ended(cause) }
    }
    try {
      to = headOf(statements).n
      kept = survivors(added, to)
      db.exec('COMMIT')
    } catch (error) {
      rollBack()
      return { fault: toFault(error, host.path) }
    }
    // A trigger of the application's may have stored events, too.
    if (to > from) {
      opened.known = { epoch: opened.known.epoch, n: to, row: null }
      onCommit(opened.known)
    }
    const rows = kept.map((row) => row && { n: row.n, stored: row.stored })
    return { transacted: { epoch: opened.known.epoch, rows } }
  }

  /** Takes the write lock without waiting for it, and makes sure that this is the file that readers read. */
  function begin(opened: Opened): Begun {
    // A transaction of the application's that goes on over several turns: it holds the lock, as another process would.
    if (host.isInTransaction()) throw busy()
    for (let hasLooked = false; ; hasLooked = true) {
      unwaiting('BEGIN EXCLUSIVE')
      try {
        db.exec(`SAVEPOINT ${SAVEPOINT}`)
        prepared ??= prepare(opened)
        const { epoch, n } = headOf(prepared)
        if (epoch === opened.known.epoch && n >= opened.known.n) return { statements: prepared, from: n }
      } catch (error) {
        rollBack()
        throw error
      }
      rollBack()
      if (hasLooked) throw elsewhere(host.path)
      // What was known may be old, or an older state was put back: then this gives it a new epoch first.
      current(opened, newestSignal)
    }
  }

  /**
   * The lock is asked for once: the queue waits for it, and not the event loop. EXCLUSIVE is IMMEDIATE in WAL mode;
   * with a rollback journal it is all that COMMIT needs, so that readers cannot make that wait.
   */
  function unwaiting(sql: string): void {
    const { timeout } = db.prepare('PRAGMA busy_timeout').get() as { timeout: number }
    if (timeout > 0) db.exec('PRAGMA busy_timeout = 0')
    try {
      db.exec(sql)
    } finally {
      if (timeout > 0) db.exec(`PRAGMA busy_timeout = ${timeout}`)
    }
  }

  function prepare({ connection }: Opened): Statements {
    const { events, standing } = connection.tables
    const head = `SELECT seq AS n, epoch FROM ${standing}, sqlite_sequence WHERE name = '${events}'`
    return { insert: prepareInsert(db, connection.tables), standing: db.prepare(head) }
  }

  function headOf({ standing }: Statements): Cursor {
    const head = standing.get() as Cursor | undefined
    if (!head) throw new Incomplete('the rows that the store keeps about itself are gone')
    return head
  }

  /** What has failed may have committed first. A full disk rolls back by itself, which is no COMMIT. */
  function isThere(added: readonly Inserted[]): boolean {
    const first = added.find((row) => row.stored)
    if (!first || !prepared) return false
    try {
      return headOf(prepared).n >= first.n
    } catch {
      return false
    }
  }

  function rollBack(): void {
    try {
      if (host.isInTransaction()) db.exec('ROLLBACK')
    } catch {
      // Closed, or rolled back by SQLite itself: nothing is left to take back.
    }
  }

  return { run }
}

/**
 * Of the rows that were inserted, those that are still there: rolling a savepoint back takes rows and their
 * numbers back, and later rows get the same numbers again.
 */
function survivors(added: readonly Inserted[], head: number): readonly (Inserted | null)[] {
  const kept: (Inserted | null)[] = [...added]
  let next = head + 1
  for (let i = added.length - 1; i >= 0; i -= 1) {
    const row = added[i] as Inserted
    if (!row.stored) continue
    if (row.n < next) next = row.n
    else kept[i] = null
  }
  // What a dedupe key found may itself be gone.
  const lost = new Set<number>()
  for (const [i, row] of added.entries()) {
    if (row.stored && kept[i] === null) lost.add(row.n)
    else if (row.stored) lost.delete(row.n)
    else if (lost.has(row.n)) kept[i] = null
  }
  return kept
}

function busy(): Error {
  return Object.assign(new Error('a transaction is open'), { code: 'SQLITE_BUSY' })
}

function ended(cause?: unknown): FileSignalError {
  return new FileSignalError('TRANSACTION_ENDED', 'something in the transaction ended it before its time', {
    cause,
  })
}

function elsewhere(path: string): FileSignalError {
  return new FileSignalError(
    'STORE_FAILED',
    `the application’s connection is not on the file that stands at ${quotePath(path)}`,
    { remedy: 'open the database anew and create the instance with it; nothing was stored' },
  )
}
