import type { Appended, NewRow } from '../engine.js'
import { renew } from './connection.js'
import { toFault } from './fault.js'
import { Moved, type Opened, type Opener, PATIENCE } from './opener.js'
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

/** Asking for the epoch costs a tenth of an insert; an id that is late with a new one leads to a reset, no worse. */
const EPOCH_TRUST = 100
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

/** Commits one call's rows. */
function commit(opener: Opener, rows: readonly NewRow[]): Appended {
  return opener.attempt((opened) => {
    const single = rows.length === 1 ? rows[0] : undefined
    const inserted = single
      ? [opened.rows.insertOne(single)]
      : opened.connection.transaction('BEGIN IMMEDIATE', () => opened.rows.insertMany(rows))
    return acknowledge(opened, inserted)
  }, false)
}

function commitBatch(opener: Opener, batch: readonly Waiting[]): Appended[] {
  return opener.attempt((opened) => {
    const inserted = opened.connection.transaction('BEGIN IMMEDIATE', () =>
      batch.map((call) => opened.rows.insertMany(call.rows)),
    )
    return inserted.map((rows) => acknowledge(opened, rows))
  }, false)
}

/**
 * Tells what was stored, if it was stored in the file at the path: a handle on a deleted or renamed
 * file goes on committing without error, so `Moved` makes `attempt` store it again in the new one.
 */
function acknowledge(opened: Opened, rows: readonly Inserted[]): Appended {
  if (opened.connection.moved()) throw new Moved()
  const first = rows.find((row) => row.stored)
  const last = rows.findLast((row) => row.stored)
  if (first && last) noteHead(opened, first.n, last.n)
  return { epoch: opened.known.epoch, rows }
}

/** A number that was seen before means that an older state was put back into the file. */
function noteHead(opened: Opened, first: number, last: number): void {
  const { connection, known } = opened
  const now = performance.now()
  if (first <= known.n) {
    connection.transaction('BEGIN IMMEDIATE', () => renew(connection, null, first - 1))
  } else if (now - opened.knownAt < EPOCH_TRUST) {
    opened.known = { epoch: known.epoch, n: last }
    return
  }
  opened.known = { epoch: connection.epoch(), n: last }
  opened.knownAt = now
}
