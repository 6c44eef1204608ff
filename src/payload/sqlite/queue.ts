import type { Appended, NewRow } from '../engine.js'
import { renew } from './connection.js'
import { toFault } from './fault.js'
import { type Opened, type Opener, PATIENCE } from './opener.js'
import type { Inserted } from './rows.js'

/** Appends in the order of the calls, whatever the store is doing. */
export interface AppendQueue {
  /** Has committed before it returns where the store is free; otherwise the promise keeps the process alive. */
  append(rows: readonly NewRow[]): Promise<Appended>
  /** Resolves when nothing waits any more. */
  drained(): Promise<void>
}

interface Waiting {
  readonly rows: readonly NewRow[]
  readonly deadline: number
  readonly resolve: (appended: Appended) => void
  readonly reject: (error: unknown) => void
}

/** Waiting calls share one transaction up to this many rows: it holds the loop for about 5 ms. */
const ROWS_PER_FLUSH = 1000

export function createQueue(opener: Opener): AppendQueue {
  const waiting: Waiting[] = []
  let flushing: Promise<void> | null = null

  async function append(rows: readonly NewRow[]): Promise<Appended> {
    if (waiting.length > 0) return enqueue(rows, null)
    try {
      return commit(opener, rows)
    } catch (obstacle) {
      return enqueue(rows, obstacle)
    }
  }

  function enqueue(rows: readonly NewRow[], error: unknown): Promise<Appended> {
    return new Promise((resolve, reject) => {
      waiting.push({ rows, resolve, reject, deadline: performance.now() + PATIENCE })
      flushing ??= flush(error).finally(() => {
        flushing = null
      })
    })
  }

  /** While one call waits later ones queue behind it: trying each alone would invert their order. */
  async function flush(first: unknown): Promise<void> {
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
        settle(batch, commitBatch(opener, batch))
        obstacle = null
        round = 0
      } catch (error) {
        obstacle = error
        expire(error)
      }
    }
  }

  function nextBatch(): Waiting[] {
    let rows = 0
    const end = waiting.findIndex((call, i) => {
      rows += call.rows.length
      return i > 0 && rows > ROWS_PER_FLUSH
    })
    return waiting.slice(0, end === -1 ? waiting.length : end)
  }

  function settle(batch: readonly Waiting[], results: readonly Appended[]): void {
    waiting.splice(0, batch.length)
    for (const [i, call] of batch.entries()) call.resolve(results[i] as Appended)
  }

  /** What shares a transaction shares its fate: all of it is refused, nothing of it is stored. */
  function refuse(fault: unknown): void {
    for (const call of waiting.splice(0, nextBatch().length)) call.reject(fault)
  }

  function expire(failure: unknown): void {
    const now = performance.now()
    while (waiting[0] && waiting[0].deadline < now) {
      waiting.shift()?.reject(toFault(failure, opener.path))
    }
  }

  return {
    append,
    drained: async () => {
      while (flushing) await flushing
    },
  }
}

/** Commits one call's rows, again where the file was found gone from the path right after the commit. */
function commit(opener: Opener, rows: readonly NewRow[]): Appended {
  return opener.attempt((opened) => {
    const single = rows.length === 1 ? rows[0] : undefined
    const inserted = single
      ? [opened.rows.insertOne(single)]
      : opened.connection.transaction('BEGIN IMMEDIATE', () => opened.rows.insertMany(rows))
    return acknowledge(opened, inserted)
  })
}

function commitBatch(opener: Opener, batch: readonly Waiting[]): Appended[] {
  return opener.attempt((opened) => {
    const inserted = opened.connection.transaction('BEGIN IMMEDIATE', () =>
      batch.map((call) => opened.rows.insertMany(call.rows)),
    )
    return inserted.map((rows) => acknowledge(opened, rows))
  })
}

/**
 * Tells what was stored, if it was stored in the file at the path: a handle on a deleted or renamed
 * file goes on committing without error, so the throw makes `attempt` store it again in the new one.
 */
function acknowledge(opened: Opened, rows: readonly Inserted[]): Appended {
  const { connection } = opened
  if (connection.moved()) throw new Error('the store was replaced during the commit')
  const numbers = rows.filter((row) => row.stored).map((row) => row.n)
  const first = numbers[0]
  if (first !== undefined && first <= opened.known) {
    connection.transaction('BEGIN IMMEDIATE', () => renew(connection, null, first - 1))
  }
  opened.known = numbers.at(-1) ?? opened.known
  return { epoch: connection.epoch(), rows }
}
