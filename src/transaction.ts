import { types } from 'node:util'
import { codeOf, FileSignalError, messageOf, quote } from './errors.js'
import type { Appended, NewRow, PayloadEngine, Transacted } from './payload/engine.js'

/**
 * Publishing inside a transaction: the calls that a function makes while it runs are one with what it does.
 *
 * A function must be synchronous, so it cannot wait for the calls in it: their promises tell how it ended, and where
 * nobody listens to them that is no unhandled rejection, for the transaction itself rejects too.
 */
export interface Transactions {
  run<T>(work: () => T): Promise<T>
  /** The transaction whose function is running just now. */
  readonly running: Transaction | null
}

/** What a synchronous function gives: no promise, so that an async function does not compile. */
export type Settled<T> = T extends PromiseLike<unknown> ? never : T

/** The transaction that calls join. */
export interface Transaction {
  /**
   * Adds rows; resolves, once it is committed, with what became of them. Rows that cannot be made or stored fail
   * all of it.
   */
  add(make: () => readonly NewRow[]): Promise<Appended>
}

type Append = (rows: readonly NewRow[]) => void

export function createTransactions(payload: () => PayloadEngine): Transactions {
  let running: ReturnType<typeof createTransaction> | null = null

  async function begin<T>(work: () => T): Promise<T> {
    checkSynchronous(work)
    const engine = payload()
    if (!engine.transaction) {
      throw new FileSignalError(
        'TRANSACTION_UNSUPPORTED',
        `the engine ${quote(engine.name)} has no transactions`,
      )
    }
    const transaction = createTransaction()
    let value: T | undefined
    try {
      const transacted = await engine.transaction((append) => {
        running = transaction
        try {
          value = transaction.perform(append, work)
        } finally {
          running = null
        }
      })
      transaction.committed(transacted)
    } catch (error) {
      transaction.failed(error)
      throw error
    }
    return value as T
  }

  return {
    run: (work) => (running ? silence(running.join(work)) : begin(work)),
    get running() {
      return running
    },
  }
}

function createTransaction() {
  let commit: (transacted: Transacted) => void = () => {}
  let fail: (error: unknown) => void = () => {}
  const end = new Promise<Transacted>((resolve, reject) => {
    commit = resolve
    fail = reject
  })
  silence(end)
  let append: Append = () => {}
  let count = 0
  let fault: { error: unknown } | null = null

  /** Whatever fails in it fails all of it, as nobody in it can wait to learn of that. */
  function guard<T>(act: () => T): T {
    try {
      return act()
    } catch (error) {
      fault ??= { error }
      throw error
    }
  }

  async function add(make: () => readonly NewRow[]): Promise<Appended> {
    const [from, to] = guard(() => {
      const rows = make()
      append(rows)
      count += rows.length
      return [count - rows.length, count]
    })
    const { epoch, rows } = await end
    return { epoch, rows: rows.slice(from, to).map((row) => row ?? takenBack()) }
  }

  return {
    add,
    perform: <T>(append_: Append, work: () => T): T => {
      append = append_
      const value = guard(() => callSynchronous(work))
      if (fault) throw fault.error
      return value
    },
    join: async <T>(work: () => T): Promise<T> => {
      const value = guard(() => {
        checkSynchronous(work)
        return callSynchronous(work)
      })
      await end
      return value
    },
    committed: (transacted: Transacted) => commit(transacted),
    failed: (error: unknown) => fail(asRolledBack(error)),
  }
}

/** Marks a promise as looked after: its rejection is told elsewhere too. */
export function silence<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

function checkSynchronous(work: unknown): void {
  if (typeof work !== 'function') {
    throw new FileSignalError('OPTION_INVALID', `transaction() was given ${quote(work)}`, {
      remedy: 'pass a function',
    })
  }
  if (types.isAsyncFunction(work)) throw asynchronous('is an async function, and was not called')
}

function callSynchronous<T>(work: () => T): T {
  const value = work()
  if (typeof (value as { then?: unknown } | null)?.then !== 'function') return value
  // What becomes of it does not matter any more.
  silence(Promise.resolve(value))
  throw asynchronous('returned a promise, and was rolled back')
}

function asynchronous(what: string): FileSignalError {
  return new FileSignalError('TRANSACTION_ASYNC', `the function of a transaction ${what}`)
}

function takenBack(): never {
  throw new FileSignalError('TRANSACTION_ROLLED_BACK', 'the transaction took this event back itself')
}

/** Who published inside learns that it is not stored; where that is not certain, why. */
function asRolledBack(error: unknown): unknown {
  if (codeOf(error) === 'TRANSACTION_ENDED') return error
  const [why] = messageOf(error).split('\n')
  return new FileSignalError('TRANSACTION_ROLLED_BACK', `its transaction failed (${quote(why)})`, {
    cause: error,
  })
}
