import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { FileSignalError } from '../../errors.js'
import type { NewRow, PayloadSite, PruneResult } from '../engine.js'
import type { Stamped } from './ages.js'
import { createClockWatch } from './clock-watch.js'
import { createWatch, type StoreSize } from './excess.js'
import { isBusy, isDamage, isTorn, toFault } from './fault.js'
import { createHeldLong } from './held-long.js'
import { lockFolder, withLock } from './lock.js'
import { Damaged, Leftovers, Split } from './obstacles.js'
import type { Opened, Opener } from './opener.js'
import { createPace } from './pace.js'
import { createPass, type Pass } from './pass.js'
import { createRelief } from './relief.js'

/** Deletes what retention no longer keeps, from whichever process is alive. */
export interface Pruner {
  /** Prunes in the background if it is time; `rows` were stored just now. Costs nothing most of the time. */
  consider(rows?: readonly NewRow[]): void
  prune(onProgress?: OnProgress): Promise<PruneResult>
  /** Ends the pass that runs here, after the batch it is at. */
  stop(): Promise<void>
}

type OnProgress = (progress: PruneResult) => void

/** How often anybody prunes, in milliseconds; kept in the store, so that processes take turns. */
const INTERVAL = 60_000
/** The same where a store is too large, and something else than pruning must help. */
const RETRY = 10_000
/** How often a process looks whether that is due, or the store has grown too large before it is. */
const LOOK = 1000
/** It looks at once where it has stored so many bytes since. */
const GROWTH = 4 * 1024 * 1024
/** What pruning takes of the time: by itself, and where somebody waits for it. */
const SHARE = 0.1
const HURRIED_SHARE = 0.5
/**
 * A pass of its own accord ends after this, finished or not: a cron job that stored one event must end, too. A guest
 * goes on, for it would begin weighing anew.
 */
const LONGEST = 5000
/** Between slices, longer than a repair waits until it asks for the lock again. */
const BREATH = 500
const MOST_REPAIRS = 3
/** Whoever prunes by hand waits for the end of another's slice: so often, and so many milliseconds each time. */
const MOST_TRIES = 30
const TRY_AGAIN = 100

export function createPruner(
  opener: Opener,
  site: Pick<PayloadSite, 'report' | 'recovered'>,
  timing: { interval?: number; longest?: number } = {},
): Pruner {
  const { report, recovered } = site
  const { interval = INTERVAL } = timing
  const clock = createClockWatch(site)
  const lock = createHeldLong(lockFolder(opener.path), site, timing.longest)
  /** The newest row at the last pass, where it was from the future. */
  let ahead: Stamped | null = null
  const pace = createPace(SHARE)
  let running: Promise<PruneResult> | null = null
  let lookAgainAt = 0
  let notBefore = 0
  let grown = 0
  let stopping = new AbortController()
  let closed = false
  /** What kept it from pruning the last time. */
  let fault: FileSignalError | null = null
  const watch = createWatch(opener, site)
  const relief = createRelief(opener)

  function consider(rows: readonly NewRow[] = []): void {
    for (const { payload } of rows) relief.stored(payload.length)
    for (const { payload } of rows) grown += payload.length
    const now = performance.now()
    if ((now < lookAgainAt && grown < GROWTH) || running || closed || now < notBefore) return
    lookAgainAt = now + Math.min(LOOK, interval)
    clock.look(ahead)
    start(undefined, true).then(
      () => {
        if (fault) recovered?.(fault.code)
        fault = null
        clock.look(ahead)
      },
      (error) => {
        notBefore = performance.now() + interval
        const last = fault
        fault = error instanceof FileSignalError ? error : null
        if (fault === null || fault.code !== last?.code) report(error)
      },
    )
  }

  async function prune(onProgress?: OnProgress): Promise<PruneResult> {
    while (running) {
      stopping.abort()
      await running.catch(() => {})
    }
    return start(onProgress, false)
  }

  function start(onProgress: OnProgress | undefined, ifDue: boolean): Promise<PruneResult> {
    if (!closed) stopping = new AbortController()
    running = pruneOnce(onProgress, ifDue, stopping.signal).finally(() => {
      running = null
    })
    return running
  }

  async function pruneOnce(
    onProgress: OnProgress | undefined,
    ifDue: boolean,
    signal: AbortSignal,
  ): Promise<PruneResult> {
    // Not in the same turn: a caller of signal() should not pay for it.
    await nextTurn()
    const bytes = grown
    grown = 0
    if (ifDue && !(await opener.run((opened) => isDue(opened, interval, bytes, watch.look(opened))))) {
      lock.free()
      return { deleted: 0, ran: false }
    }
    const pass = createPass(opener, ifDue ? pace : createPace(HURRIED_SHARE), {
      onProgress,
      onAhead: (row) => {
        ahead = row
      },
    })
    try {
      const ran = await inSlices(pass, ifDue, signal)
      if (ran) lock.free()
      else lock.held()
      if (pass.done) await opener.run(watch.judge)
      // Whoever looks next goes on.
      else if (ran) await opener.run(({ connection }) => connection.setMeta('pruned_at', '0'))
      return { deleted: pass.deleted, ran }
    } catch (error) {
      throw toFault(error, opener.path)
    }
  }

  /** False where another process has the lock from the start, and keeps it for longer than a slice. */
  async function inSlices(pass: Pass, isShort: boolean, signal: AbortSignal): Promise<boolean> {
    const end = performance.now() + LONGEST
    for (let ran = false, repairs = 0, tries = 0; ; ) {
      try {
        const held = await withLock(
          opener.path,
          ran && !isShort,
          async (own) => {
            await pass.slice(own, signal)
            return true
          },
          () => signal.aborted,
        )
        if (held === null && !ran && !isShort && tries < MOST_TRIES && !signal.aborted) {
          tries += 1
          await pause(TRY_AGAIN, undefined, { signal }).catch(() => {})
          continue
        }
        if (held === null) return ran
        ran = true
      } catch (error) {
        if (ran && isBusy(error)) return ran
        if (!isBroken(error) || repairs === MOST_REPAIRS) throw error
        repairs += 1
        // Now that the lock is free; who else waits for it may have been quicker.
        await opener.recover(error, 0)
      }
      if (pass.done || signal.aborted || (isShort && !pass.isGuest && performance.now() > end)) return ran
      await pause(BREATH, undefined, { signal }).catch(() => {})
    }
  }

  return {
    consider,
    prune,
    stop: async () => {
      closed = true
      stopping.abort()
      await running?.catch(() => {})
    },
  }
}

function isBroken(error: unknown): boolean {
  return [Leftovers, Damaged, Split].some((kind) => error instanceof kind) || isDamage(error) || isTorn(error)
}

/**
 * `grown` is what this process has stored since it looked. A time ahead of now is that of a clock that was wrong, then or
 * now.
 */
function isDue({ connection }: Opened, interval: number, grown: number, size: StoreSize): boolean {
  const last = Number(connection.getMeta('pruned_at') ?? 0)
  const age = Date.now() - last
  if (age >= interval || age < 0) return true
  if (size !== 'well') return age >= (size === 'told' ? RETRY : LOOK)
  const { maxBytes } = connection.retention()
  // Nobody knows quickly how much of an application's database is ours.
  return connection.isGuest ? grown > maxBytes / 4 : connection.bytes() > maxBytes * 1.125
}
