import { setImmediate as nextTurn } from 'node:timers/promises'
import { FileSignalError } from '../../errors.js'
import type { Retention } from '../../options.js'
import type { PayloadSite, PruneResult } from '../engine.js'
import { type Ages, createAges, type Stamped } from './ages.js'
import { createClockWatch } from './clock-watch.js'
import { toFault } from './fault.js'
import { createWeigher } from './guest-bytes.js'
import { createHeldLong } from './held-long.js'
import { type Held, lockFolder, withLock } from './lock.js'
import type { Opened, Opener } from './opener.js'
import { createByAge } from './prune-age.js'

/** Deletes what retention no longer keeps, from whichever process is alive. */
export interface Pruner {
  /** Prunes in the background if nobody did for a while. Costs nothing most of the time. */
  consider(site: Pick<PayloadSite, 'report' | 'recovered'>): void
  prune(onProgress?: OnProgress): Promise<PruneResult>
  /** Ends the pass that runs here, after the batch it is at. */
  stop(): Promise<void>
}

type OnProgress = (progress: PruneResult) => void

/** How often anybody prunes, in milliseconds; kept in the store, so that processes take turns. */
const INTERVAL = 60_000
/** One batch should hold the event loop and the write lock for no longer than this. */
const BATCH_TIME = 5
const MARKS_OUTLIVE_RETENTION = 7
/** A mark takes about 150 bytes: they may fill a quarter of the store, and 15 MB at the most. */
const MOST_MARKS = 100_000
const BYTES_PER_MARK = 600

export function createPruner(
  opener: Opener,
  site: Pick<PayloadSite, 'report' | 'recovered'>,
  timing: { interval?: number; longest?: number } = {},
): Pruner {
  const { interval = INTERVAL } = timing
  const clock = createClockWatch(site)
  const lock = createHeldLong(lockFolder(opener.path), site, timing.longest)
  /** The newest row at the last pass, where it was from the future. */
  let ahead: Stamped | null = null
  let running: Promise<PruneResult> | null = null
  let lookAgainAt = 0
  let stopping = false
  /** What kept it from pruning the last time. */
  let fault: FileSignalError | null = null
  let batch = 50

  function consider({ report, recovered }: Pick<PayloadSite, 'report' | 'recovered'>): void {
    const now = performance.now()
    if (now < lookAgainAt || running) return
    lookAgainAt = now + interval
    clock.look(ahead)
    start(undefined, true).then(
      () => {
        if (fault) recovered?.(fault.code)
        fault = null
        clock.look(ahead)
      },
      (error) => {
        const last = fault
        fault = error instanceof FileSignalError ? error : null
        if (fault === null || fault.code !== last?.code) report(error)
      },
    )
  }

  async function prune(onProgress?: OnProgress): Promise<PruneResult> {
    while (running) await running.catch(() => {})
    return start(onProgress, false)
  }

  function start(onProgress: OnProgress | undefined, ifDue: boolean): Promise<PruneResult> {
    running = pruneOnce(onProgress, ifDue).finally(() => {
      running = null
    })
    return running
  }

  async function pruneOnce(onProgress: OnProgress | undefined, ifDue: boolean): Promise<PruneResult> {
    // Not in the same turn: a caller of signal() should not pay for it.
    await nextTurn()
    if (ifDue && !(await opener.run((opened) => isDue(opened, interval)))) {
      lock.free()
      return { deleted: 0, ran: false }
    }
    try {
      const result = await withLock(
        opener.path,
        false,
        (held) => pass(held, onProgress),
        () => stopping,
      )
      if (result === null) lock.held()
      else lock.free()
      return result ?? { deleted: 0, ran: false }
    } catch (error) {
      throw toFault(error, opener.path)
    }
  }

  async function pass(held: Held, onProgress: OnProgress | undefined): Promise<PruneResult> {
    await opener.run(({ connection }) => connection.setMeta('pruned_at', String(Date.now())))
    const retention = await opener.run(({ connection }) => connection.retention())
    const byWeight = createWeigher()
    const byAge = createByAge((row) => {
      ahead = row
    })
    const foldMarks = createFolding()
    const isGuest = await opener.run(({ connection }) => connection.isGuest)
    let deleted = 0
    for (const step of [byAge, byCount, foldMarks, isGuest ? byWeight : byBytes]) {
      for (let more = true; more && !stopping && !held.isLost(); ) {
        const start = performance.now()
        const done = await opener.run((opened) =>
          opened.connection.transaction('BEGIN IMMEDIATE', () => step(opened, retention, batch)),
        )
        const time = performance.now() - start
        batch = time > BATCH_TIME ? Math.max(10, batch >> 1) : Math.min(1000, batch + 50)
        deleted += done.deleted
        more = done.more
        if (done.deleted > 0) onProgress?.({ deleted, ran: true })
        await nextTurn()
      }
    }
    return { deleted, ran: true }
  }

  return {
    consider,
    prune,
    stop: async () => {
      stopping = true
      await running?.catch(() => {})
    },
  }
}

/** What one batch did; `more` where another should follow. */
export interface Step {
  readonly deleted: number
  readonly more: boolean
}

/** A time ahead of now is that of a clock that was wrong, then or now. */
function isDue({ connection }: Opened, interval: number): boolean {
  const last = Number(connection.getMeta('pruned_at') ?? 0)
  const age = Date.now() - last
  return age >= interval || age < 0
}

/** Only keys that got rows since the last look can have too many: `counted` is how far that look went. */
function byCount({ connection }: Opened, { maxPerKey }: Retention, batch: number): Step {
  const { events } = connection.tables
  if (maxPerKey === Number.POSITIVE_INFINITY) return { deleted: 0, more: false }
  const counted = Number(connection.getMeta('counted') ?? 0)
  const fresh = connection
    .prepare(`SELECT id, key FROM ${events} WHERE id > ? ORDER BY id LIMIT ?`)
    .all(counted, batch) as { id: number; key: string }[]
  const newestToGo = connection.prepare(
    `SELECT id FROM ${events} WHERE key = ? ORDER BY id DESC LIMIT 1 OFFSET ?`,
  )
  const remove = connection.prepare(
    `DELETE FROM ${events} WHERE id IN (SELECT id FROM ${events} WHERE key = ? AND id <= ? ORDER BY id LIMIT ?)`,
  )
  let deleted = 0
  for (const key of new Set(fresh.map((row) => row.key))) {
    const last = newestToGo.get(key, maxPerKey) as { id: number } | undefined
    if (last) deleted += Number(remove.run(key, last.id, batch - deleted).changes)
    // The rest of this key's surplus is found by looking at the same rows again.
    if (deleted >= batch) return { deleted, more: true }
  }
  const to = fresh.at(-1)?.id
  if (to !== undefined) connection.setMeta('counted', String(to))
  return { deleted, more: fresh.length === batch }
}

/** Deletes no more of the oldest rows than weigh what is too much; pages are freed whole, so it may take turns. */
function byBytes({ connection }: Opened, { maxBytes }: Retention, batch: number): Step {
  const { events } = connection.tables
  let excess = connection.bytes() - maxBytes
  if (excess <= 0) return { deleted: 0, more: false }
  const oldest = connection
    .prepare(`SELECT id, length(CAST(payload AS BLOB)) AS weight FROM ${events} ORDER BY id LIMIT ?`)
    .all(batch) as { id: number; weight: number }[]
  const last = oldest.find((row) => {
    excess -= row.weight
    return excess <= 0
  })
  const id = (last ?? oldest.at(-1))?.id ?? 0
  const { changes } = connection.prepare(`DELETE FROM ${events} WHERE id <= ?`).run(id)
  return { deleted: Number(changes), more: Number(changes) > 0 }
}

/**
 * The step of one pass that makes one floor for all keys of marks older than seven retentions, and of the oldest of too
 * many: keys that are used once leave a mark each, and marks take room from the events.
 */
function createFolding() {
  let ages: Ages | null = null
  let from = 0

  return ({ connection }: Opened, { maxAge, maxBytes }: Retention, batch: number): Step => {
    const { pruned, standing } = connection.tables
    const now = Date.now()
    ages ??= createAges(now, now - MARKS_OUTLIVE_RETENTION * maxAge)
    const { count } = connection.prepare(`SELECT count(*) AS count FROM ${pruned}`).get() as { count: number }
    const surplus = count - Math.min(MOST_MARKS, Math.floor(maxBytes / BYTES_PER_MARK))
    const marks = connection
      .prepare(`SELECT n, at FROM ${pruned} WHERE n > ? ORDER BY n LIMIT ?`)
      .all(surplus > 0 ? 0 : from, batch) as Stamped[]
    if (!ages.isOver) ages.look(marks)
    from = Math.max(from, marks.at(-1)?.n ?? 0)
    const floor = Math.max(ages.old, surplus > 0 ? (marks[Math.min(surplus, marks.length) - 1]?.n ?? 0) : 0)
    if (floor > 0) {
      connection.prepare(`UPDATE ${standing} SET floor = max(floor, ?)`).run(floor)
      connection.prepare(`DELETE FROM ${pruned} WHERE n <= ?`).run(floor)
    }
    return { deleted: 0, more: marks.length === batch && (surplus > batch || !ages.isOver) }
  }
}
