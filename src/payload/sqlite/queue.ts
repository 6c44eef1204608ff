import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { FileSignalError, quotePath } from '../../errors.js'
import type { Appended, NewRow, Transacted, Work } from '../engine.js'
import { type Adrift, type CommitSite, commit } from './commit.js'
import { toFault } from './fault.js'
import type { TransactionEnd } from './host-transaction.js'
import { Moved, Unseen } from './obstacles.js'
import { type Opened, PATIENCE } from './opener.js'

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

/** Milliseconds between two looks at a path that cannot be looked at. */
const LOOK_AGAIN = 25
/** Waiting calls share one transaction up to this many rows: it holds the loop for about 5 ms. */
const ROWS_PER_FLUSH = 1000

/** Calls that wait may hold this many bytes together; a single one of more than that may wait alone. */
const MOST_WAITING = 16 * 1024 * 1024
/** What a call and a row take beside the payload, about. */
const CALL = 200

export interface QueueSite extends CommitSite {
  /** Runs a transaction; throws only where it has not begun. */
  readonly transact: (opened: Opened, work: Work) => TransactionEnd
}

export function createQueue(site: QueueSite): AppendQueue {
  const { opener, transact } = site
  const waiting: Waiting[] = []
  const adrift: Adrift = new WeakMap()
  let flushing = false
  let weight = 0

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
    take(batch.length)
    for (const [i, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[i] as TransactionEnd
      if ('fault' in outcome) reject(outcome.fault)
      else resolve(outcome.transacted)
    }
  }

  /** What shares a transaction shares its fate: all of it is refused, nothing of it is stored. */
  function refuse(fault: unknown): void {
    const batch = nextBatch().length
    for (const call of take(batch)) call.reject(faultOf(call, fault))
  }

  function expire(failure: unknown): void {
    const now = performance.now()
    while (waiting[0] && waiting[0].deadline < now) {
      for (const call of take(1)) call.reject(faultOf(call, toFault(failure, opener.path)))
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
