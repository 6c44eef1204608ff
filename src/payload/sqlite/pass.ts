import { performance } from 'node:perf_hooks'
import type { Retention } from '../../options.js'
import type { PruneResult } from '../engine.js'
import type { Stamped } from './ages.js'
import { giveBack, rebuild, settleWal } from './give-back.js'
import { createWeigher } from './guest-bytes.js'
import type { Held } from './lock.js'
import { type Opened, type Opener, PATIENCE } from './opener.js'
import type { Batch, Pace } from './pace.js'
import { createByAge } from './prune-age.js'
import { byBytes, createByCount, createFolder, type Prune, perStore } from './retention.js'

/** One pruning of the store, in slices: between two of them others may have the lock. */
export interface Pass {
  /** Deletes for a second at most; call it under the lock. Rejects with what is wrong with the store, unrepaired. */
  slice(held: Held, signal: AbortSignal): Promise<void>
  readonly deleted: number
  /** True where nothing is left to delete and to give back. */
  readonly done: boolean
  readonly isGuest: boolean
}

/** What is told of a pass: how far it is, and of a newest row that is from the future, or null. */
export interface PassSite {
  readonly onProgress: ((progress: PruneResult) => void) | undefined
  readonly onAhead: (row: Stamped | null) => void
}

type Run = <T>(fn: (opened: Opened) => T) => Promise<T>

/** A step and its own size of batches: a row costs more than a page, and a key used once more than a busy one. */
interface Task {
  readonly prune: Prune
  batch: number
}

/** A repair waits for the lock: so long it may take until publishing goes on. */
const SLICE = 2000
const FEWEST = 10
const MOST = 1000

export function createPass(opener: Opener, pace: Pace, { onProgress, onAhead }: PassSite): Pass {
  // The lock is held here, which a repair would wait for.
  const run: Run = (fn) => opener.run(fn, PATIENCE, false)
  const weigh = createWeigher()
  const bySize: Prune = (opened, retention, batch) =>
    (opened.connection.isGuest ? weigh : byBytes)(opened, retention, batch)
  // In turns, so that none waits for another that never ends. Bytes come last: the others may free enough.
  const byAge = perStore(() => createByAge(onAhead))
  const phases = [[byAge, perStore(createByCount), perStore(createFolder)], [bySize], [giveBack]].map(
    (steps) => steps.map((prune): Task => ({ prune, batch: 50 })),
  )
  let deleted = 0
  let done = false
  let isGuest = false

  async function slice(held: Held, signal: AbortSignal): Promise<void> {
    const end = performance.now() + SLICE
    const isOver = (): boolean => signal.aborted || held.isLost() || performance.now() > end
    const retention = await run(({ connection }) => {
      isGuest = connection.isGuest
      connection.setMeta('pruned_at', String(Date.now()))
      return connection.retention()
    })
    for (let tasks = phases[0]; tasks !== undefined; tasks = phases[0]) {
      for (const task of [...tasks]) {
        if (isOver()) return
        const { more, batch } = await step(task, retention)
        if (more) await pace.rest(batch, signal)
        else tasks.splice(tasks.indexOf(task), 1)
      }
      if (tasks.length === 0) phases.shift()
    }
    await run(rebuild)
    await settleWal(run, opener.path, signal)
    done = true
  }

  async function step(task: Task, retention: Retention): Promise<{ more: boolean; batch: Batch }> {
    const came = await run((opened) => {
      const { connection } = opened
      const began = performance.now()
      let time = 0
      const result = connection.transaction('BEGIN IMMEDIATE', () => {
        const stepped = task.prune(opened, retention, task.batch)
        time = performance.now() - began
        return { ...stepped, head: connection.head().n }
      })
      // A commit may have to empty the -wal, whatever the size of the batch.
      const factor = Math.min(1.5, Math.max(0.5, pace.batchTime() / time))
      task.batch = Math.min(MOST, Math.max(FEWEST, Math.round(task.batch * factor)))
      return { ...result, time: performance.now() - began }
    })
    deleted += came.deleted
    if (came.deleted > 0) onProgress?.({ deleted, ran: true })
    return { more: came.more, batch: { time: came.time, rows: came.dealt, head: came.head } }
  }

  return {
    slice,
    get deleted() {
      return deleted
    },
    get done() {
      return done
    },
    get isGuest() {
      return isGuest
    },
  }
}
