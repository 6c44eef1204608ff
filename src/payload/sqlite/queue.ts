import { FileSignalError } from '../../errors.js'
import type { Cursor } from '../../event.js'
import type { Appended, NewRow, Transacted, Work } from '../engine.js'
import { renew } from './connection.js'
import { toFault } from './fault.js'
import type { TransactionEnd } from './host-transaction.js'
import type { Inserted } from './insert.js'
import { Moved, type Opened, type Opener, PATIENCE } from './opener.js'

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
  /** Bytes that it holds in memory, about. */
  readonly weight: number
  readonly deadline: number
  readonly resolve: (result: Transacted) => void
  readonly reject: (error: unknown) => void
}

/** Asking for the epoch costs a tenth of an insert; an id that is late with a new one leads to a reset, no worse. */
const EPOCH_TRUST = 100
/** Waiting calls share one transaction up to this many rows: it holds the loop for about 5 ms. */
const ROWS_PER_FLUSH = 1000

/** Calls that wait may hold this many bytes together; a single one of more than that may wait alone. */
const MOST_WAITING = 16 * 1024 * 1024
/** What a call and a row take beside the payload, about. */
const CALL = 200

export interface QueueSite {
  readonly opener: Opener
  readonly onCommit: (head: Cursor) => void
  /** Runs a transaction; throws only where it has not begun. */
  readonly transact: (opened: Opened, work: Work) => TransactionEnd
}

export function createQueue({ opener, onCommit, transact }: QueueSite): AppendQueue {
  const waiting: Waiting[] = []
  let flushing = false
  let weight = 0

  async function append(rows: readonly NewRow[]): Promise<Appended> {
    if (waiting.length > 0) return enqueue(rows, null) as Promise<Appended>
    try {
      return commit(opener, [rows], onCommit)[0] as Appended
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
    const added = weigh(call)
    if (weight > 0 && weight + added > MOST_WAITING && !mustWait(call)) return Promise.reject(tooMany(weight))
    weight += added
    return new Promise((resolve, reject) => {
      waiting.push({ call, weight: added, resolve, reject, deadline: performance.now() + PATIENCE })
      if (!flushing) void flush(obstacle)
    })
  }

  /** While one call waits later ones queue behind it: trying each alone would invert their order. */
  async function flush(first: unknown): Promise<void> {
    flushing = true
    let obstacle = first
    for (let round = 0; waiting.length > 0; round += 1) {
      try {
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
        expire(error)
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
    return commit(opener, calls, onCommit).map((transacted) => ({ transacted }))
  }

  function settle(batch: readonly Waiting[], outcomes: readonly TransactionEnd[]): void {
    take(batch.length)
    for (const [i, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[i] as TransactionEnd
      if ('fault' in outcome) reject(outcome.fault)
      else resolve(outcome.transacted)
    }
  }

  /** What shares a transaction shares its fate: all of it is refused, nothing of it is stored. */
  function refuse(fault: unknown): void {
    for (const call of take(nextBatch().length)) call.reject(fault)
  }

  function expire(failure: unknown): void {
    const now = performance.now()
    while (waiting[0] && waiting[0].deadline < now) {
      take(1)[0]?.reject(toFault(failure, opener.path))
    }
  }

  /** Those that have waited longest wait no more. */
  function take(count: number): Waiting[] {
    const taken = waiting.splice(0, count)
    for (const call of taken) weight -= call.weight
    return taken
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

function weigh(call: Call): number {
  if (typeof call === 'function') return CALL
  return call.reduce((sum, { payload }) => sum + Buffer.byteLength(payload) + CALL, CALL)
}

/** The end of all calls; and what a writer says, which waits for itself: refused, the writer would be dead. */
function mustWait(call: Call): boolean {
  return typeof call !== 'function' && call.every(({ lease }) => lease)
}

function tooMany(weight: number): FileSignalError {
  const what = `calls of ${Math.ceil(weight / 1024 / 1024)} MiB wait for the store already`
  return new FileSignalError('STORE_BUSY', what)
}

/** Commits some calls' rows in one transaction, and tells what was stored for each. */
function commit(
  opener: Opener,
  calls: readonly (readonly NewRow[])[],
  onCommit: (head: Cursor) => void,
): Appended[] {
  return opener.attempt((opened) => {
    const { connection, rows } = opened
    const single = calls.length === 1 && calls[0]?.length === 1 ? calls[0][0] : undefined
    const inserted = single
      ? [[rows.insertOne(single)]]
      : connection.transaction('BEGIN IMMEDIATE', () => calls.map((call) => rows.insertMany(call)))
    if (noteHead(opened, inserted)) onCommit(opened.known)
    // A handle on a deleted or renamed file goes on committing without error: then `attempt` does it all
    // again in the file that stands at the path. After the wake-up, for looking takes a tenth of its way.
    if (connection.moved()) throw new Moved()
    return inserted.map((call) => ({ epoch: opened.known.epoch, rows: call }))
  }, false)
}

/** Keeps the head that these rows make; false where none was stored. Never throws: the rows are committed. */
function noteHead(opened: Opened, inserted: readonly (readonly Inserted[])[]): boolean {
  const stored = inserted.length === 1 ? (inserted[0] ?? []) : inserted.flat()
  const first = stored.find((row) => row.stored)
  const last = stored.findLast((row) => row.stored)
  if (!first || !last) return false
  const isRestored = first.n <= opened.known.n
  if (isRestored || performance.now() - opened.knownAt >= EPOCH_TRUST) {
    try {
      learnEpoch(opened, isRestored ? first.n - 1 : null)
    } catch {
      // Busy. The old epoch does for now; with the old head kept, the next look finds the older state again.
      if (isRestored) return true
    }
  }
  opened.known = { epoch: opened.known.epoch, n: last.n }
  return true
}

/** A number that was seen before means that an older state was put back; whoever sees it first renews the epoch. */
function learnEpoch(opened: Opened, restoredAt: number | null): void {
  const { connection, known } = opened
  if (restoredAt !== null) {
    connection.transaction('BEGIN IMMEDIATE', () => {
      if (connection.epoch() === known.epoch) renew(connection, null, restoredAt)
    })
  }
  opened.known = { epoch: connection.epoch(), n: known.n }
  opened.knownAt = performance.now()
}
