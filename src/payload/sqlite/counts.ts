import { performance } from 'node:perf_hooks'
import { setImmediate as immediate } from 'node:timers/promises'
import { weightOf } from './guest-bytes.js'
import type { Opened, Opener } from './opener.js'

/** What the store holds. */
export interface Counts {
  readonly rows: number
  readonly keys: number
  readonly bytes: number
}

/** Keys, or rows that are weighed, in one turn of the loop: some 1 ms. */
const SLICE = 1000

/** What takes no more slices is counted anew each time, however slow the machine is. */
const FEW_SLICES = 10
/** Counting again and again takes this share of the time at the most. */
const SHARE = 1 / 100

/**
 * Counts in slices, for a large store takes tens of milliseconds. Who asks every second gets the last answer again
 * where a new one would cost more than a hundredth of the time.
 */
export function createCounter(opener: () => Opener): () => Promise<Counts> {
  let counting: Promise<Counts> | null = null
  let last: Counts | null = null
  let lastHolds = 0
  /** Milliseconds in the store, and calls of it. */
  let work = 0
  let steps = 0

  async function count(): Promise<Counts> {
    work = 0
    steps = 0
    const rows = await step(({ connection: { tables, prepare } }) =>
      number(prepare(`SELECT count(*) AS n FROM ${tables.events}`).get()),
    )
    const keys = await countKeys()
    const bytes = await step(({ connection }) => (connection.isGuest ? null : connection.bytes()))
    const counts = { rows, keys, bytes: bytes ?? (await weigh()) }
    last = counts
    lastHolds = steps <= FEW_SLICES ? 0 : performance.now() + work / SHARE
    return counts
  }

  async function step<T>(fn: (opened: Opened) => T): Promise<T> {
    return opener().run((opened) => {
      const began = performance.now()
      const result = fn(opened)
      work += performance.now() - began
      steps += 1
      return result
    })
  }

  /** From each key to the next by the index: DISTINCT would read an entry per row. */
  async function countKeys(): Promise<number> {
    let keys = 0
    for (let after: string | null = ''; after !== null; ) {
      const from: string = after
      const found = await step(({ connection: { tables, prepare } }) =>
        prepare(nextKeys(tables.events)).get(from),
      )
      const { n, newest } = found as { n: number; newest: string | null }
      keys += n
      after = n < SLICE ? null : newest
      if (after !== null) await immediate()
    }
    return keys
  }

  /** An application's database tells nothing of our share of its pages. */
  async function weigh(): Promise<number> {
    let bytes = 0
    for (let after: number | null = 0; after !== null; ) {
      const from: number = after
      const found = await step(({ connection: { tables, prepare } }) =>
        prepare(nextWeights(tables.events)).get(from),
      )
      const { n, weight, newest } = found as { n: number; weight: number | null; newest: number | null }
      bytes += weight ?? 0
      after = n < SLICE ? null : newest
      if (after !== null) await immediate()
    }
    return bytes
  }

  return () => {
    if (last && performance.now() < lastHolds) return Promise.resolve(last)
    counting ??= count().finally(() => {
      counting = null
    })
    return counting
  }
}

function nextKeys(events: string): string {
  return `WITH RECURSIVE next(key) AS (
      SELECT min(key) FROM ${events} WHERE key > ?
      UNION ALL SELECT (SELECT min(key) FROM ${events} WHERE key > next.key) FROM next WHERE next.key IS NOT NULL
      LIMIT ${SLICE}
    ) SELECT count(key) AS n, max(key) AS newest FROM next`
}

function nextWeights(events: string): string {
  return `SELECT count(*) AS n, sum(weight) AS weight, max(id) AS newest FROM (
      SELECT id, ${weightOf('payload')} AS weight FROM ${events} WHERE id > ? ORDER BY id LIMIT ${SLICE}
    )`
}

function number(row: unknown): number {
  return (row as { n: number }).n
}
