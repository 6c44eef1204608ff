import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { FileSignalError, quotePath } from '../../errors.js'
import type { Cursor, Hint } from '../../event.js'
import type { Appended, NewRow, Transacted, Work } from '../engine.js'
import { toFault } from './fault.js'
import { ensureContinued } from './history.js'
import type { TransactionEnd } from './host-transaction.js'
import { type Inserted, isPlain } from './insert.js'
import { Moved, type Opened, type Opener, PATIENCE, Unseen } from './opener.js'

/** Appends in the order of the calls, whatever the store is doing. */
export interface AppendQueue {
  /** Has committed before it returns where the store is free; otherwise the promise keeps the process alive. */
  append(rows: readonly NewRow[]): Promise<Appended>
  /** Runs work in a transaction of the application's, in its turn. */
  transaction(work: Work): Promise<Transacted>
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>
}

/** A call is rows to store, or a transaction of the application's, which has a turn of its own. */
type Call = readonly NewRow[] | Work

interface Waiting {
  readonly call: Call
  readonly deadline: number
  readonly resolve: (result: Transacted) => void
  readonly reject: (error: unknown) => void
}

/** Milliseconds for which a comparison with what was signalled is good enough to insert by one statement. */
const TRUST = 100
/** Milliseconds between two looks at a path that cannot be looked at. */
const LOOK_AGAIN = 25
/** Waiting calls share one transaction up to this many rows: it holds the loop for about 5 ms. */
const ROWS_PER_FLUSH = 1000

export interface QueueSite {
  readonly opener: Opener
  readonly onCommit: (head: Cursor) => void
  readonly newestSignal: () => Hint | null
  /** Runs a transaction; throws only where it has not begun. */
  readonly transact: (opened: Opened, work: Work) => TransactionEnd
}

export function createQueue(site: QueueSite): AppendQueue {
  const { opener, transact } = site
  const waiting: Waiting[] = []
  /** Calls that were committed to a file which then was not at the path: it may come back. */
  const adrift = new WeakSet<Call>()
  let flushing = false

  async function append(rows: readonly NewRow[]): Promise<Appended> {
    if (waiting.length > 0) return enqueue(rows, null) as Promise<Appended>
    try {
      return commit(site, [rows], adrift)[0] as Appended
    } catch (obstacle) {
      return enqueue(rows, obstacle) as Promise<Appended>
    }
  }

  async function transaction(work: Work): Promise<Transacted> {
    if (waiting.length > 0) return enqueue(work, null)
    let outcome: TransactionEnd
    try {
      outcome = run(work)
    } catch (obstacle) {
      return enqueue(work, obstacle)
    }
    if ('fault' in outcome) throw outcome.fault
    return outcome.transacted
  }

  function run(work: Work): TransactionEnd {
    return opener.attempt((opened) => transact(opened, work))
  }

  function enqueue(call: Call, obstacle: unknown): Promise<Transacted> {
    return new Promise((resolve, reject) => {
      waiting.push({ call, resolve, reject, deadline: performance.now() + PATIENCE })
      if (!flushing) void flush(obstacle)
    })
  }

  /** While one call waits later ones queue behind it: trying each alone would invert their order. */
  async function flush(first: unknown): Promise<void> {
    flushing = true
    let obstacle = first
    for (let round = 0; waiting.length > 0; round += 1) {
      try {
        if (obstacle instanceof Unseen) {
          const seen = await see(obstacle)
          if (seen)
            settle(
              waiting.slice(0, seen.length),
              seen.map((transacted) => ({ transacted })),
            )
          obstacle = null
          continue
        }
        if (obstacle !== null) await opener.recover(obstacle, round)
      } catch (fault) {
        refuse(fault)
        obstacle = null
        continue
      }
      try {
        const batch = nextBatch()
        settle(batch, outcomesOf(batch))
        obstacle = null
        round = 0
      } catch (error) {
        obstacle = error
        if (!(error instanceof Unseen)) expire(error)
      }
    }
    flushing = false
  }

  function nextBatch(): Waiting[] {
    let rows = 0
    const end = waiting.findIndex(({ call }, i) => {
      if (typeof call === 'function' || typeof waiting[0]?.call === 'function') return i > 0
      rows += call.length
      return i > 0 && rows > ROWS_PER_FLUSH
    })
    return waiting.slice(0, end === -1 ? waiting.length : end)
  }

  function outcomesOf(batch: readonly Waiting[]): TransactionEnd[] {
    const [first] = batch
    if (typeof first?.call === 'function') return [run(first.call)]
    const calls = batch.map(({ call }) => call as readonly NewRow[])
    return commit(site, calls, adrift).map((transacted) => ({ transacted }))
  }

  /** Looks until it is known what a commit was good for; null for nothing. Rejects with STORE_UNCERTAIN. */
  async function see(unseen: Unseen): Promise<readonly Appended[] | null> {
    for (const deadline = performance.now() + PATIENCE; ; ) {
      await pause(LOOK_AGAIN)
      try {
        return unseen.look()
      } catch (error) {
        if (error instanceof Moved) return null
        if (performance.now() > deadline) throw uncertain(error)
      }
    }
  }

  function uncertain(cause: unknown): FileSignalError {
    return new FileSignalError('STORE_UNCERTAIN', `${quotePath(opener.path)} cannot be looked at`, { cause })
  }

  /** How a call is refused: what was committed somewhere may be stored all the same. */
  function faultOf({ call }: Waiting, fault: unknown): unknown {
    if (!adrift.has(call) || (fault instanceof FileSignalError && fault.code === 'STORE_UNCERTAIN'))
      return fault
    return uncertain(fault)
  }

  function settle(batch: readonly Waiting[], outcomes: readonly TransactionEnd[]): void {
    waiting.splice(0, batch.length)
    for (const [i, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[i] as TransactionEnd
      if ('fault' in outcome) reject(outcome.fault)
      else resolve(outcome.transacted)
    }
  }

  /** What shares a transaction shares its fate: all of it is refused, nothing of it is stored. */
  function refuse(fault: unknown): void {
    for (const call of waiting.splice(0, nextBatch().length)) call.reject(faultOf(call, fault))
  }

  function expire(failure: unknown): void {
    const now = performance.now()
    while (waiting[0] && waiting[0].deadline < now) {
      const call = waiting.shift() as Waiting
      call.reject(faultOf(call, toFault(failure, opener.path)))
    }
  }

  return {
    append,
    transaction,
    drained: async () => {
      // Whoever is refused is told so himself.
      if (waiting.length > 0) await enqueue([], null).catch(() => {})
    },
  }
}

/**
 * Commits some calls' rows in one transaction, and tells what was stored for each. Those whose commit turns out to be
 * good for nothing are noted in `adrift`.
 */
function commit(site: QueueSite, calls: readonly (readonly NewRow[])[], adrift: WeakSet<Call>): Appended[] {
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
      return inserted.map((rows) => ({ epoch: opened.known.epoch, rows }))
    }
    try {
      return acknowledge()
    } catch (error) {
      throw error instanceof Moved ? error : new Unseen(acknowledge, error)
    }
  }, false)
}

/** One statement for one plain row; a transaction for more, and where the store was not looked at for a while. */
function insert(
  opened: Opened,
  calls: readonly (readonly NewRow[])[],
  newestSignal: () => Hint | null,
): Inserted[][] {
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
