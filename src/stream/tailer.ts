import { performance } from 'node:perf_hooks'
import { setImmediate as immediate } from 'node:timers/promises'
import type { FileSignalError } from '../errors.js'
import type { Cursor } from '../event.js'
import type { Page, PayloadEngine } from '../payload/engine.js'
import type { SignalEngine, WakeKind } from '../signal/engine.js'
import type { ListenedKeys } from './audience.js'
import { createEar } from './ear.js'
import { createOutage, type Outage } from './outage.js'

/**
 * The one reader of an instance. Woken by signals, by publishers in this process and by the clock, it
 * reads the rows after its cursor and hands them on.
 */
export interface Tailer {
  /** Where it stands; null until it has started. */
  readonly cursor: Cursor | null
  /** Begins at the head, without reading what is there. Nothing happens where it runs already. */
  start(): void
  /** Stops reading and listening. It may be started again at once. */
  stop(): void
  /** Resolves when the cursor is known, or the tailer was stopped. */
  started(): Promise<void>
  /** Something may have been committed. A thousand calls in one tick make one read. */
  wake(kind: WakeKind): void
  readonly wakes: Readonly<Record<WakeKind, number>>
  readonly mode: 'watch' | 'poll' | null
  /** Stops, and resolves when the listener is closed. */
  close(): Promise<void>
}

export interface TailerSite {
  readonly payload: () => PayloadEngine
  readonly signal: () => SignalEngine
  /** Milliseconds between two looks without a wake-up. */
  readonly poll: number
  readonly listened: () => ListenedKeys
  /**
   * Gets each page, with the version of the keys it was read with, and whether another store stands
   * there now. When it returns the cursor moves.
   */
  readonly onPage: (page: Page, version: number, replaced: boolean) => void
  /** Called as often as it looks without a wake-up. */
  readonly onSweep: () => void
  readonly outage: Outage
  readonly report: (error: FileSignalError) => void
}

/** One stretch from start to stop: what is still under way after the stop finds that it is over. */
interface Session {
  cursor: Cursor | null
  dirty: boolean
  reading: boolean
  /** When it last stopped reading, as of performance.now(). */
  readAt: number
  timer: NodeJS.Timeout
  started: Promise<void>
  onStarted: () => void
}

/** Milliseconds without a read after which the next wake-up is read for at once. */
const CALM = 2

const PAGE = Object.freeze({ maxRows: 1000, maxBytes: 1024 * 1024 })

export function createTailer(site: TailerSite): Tailer {
  const { payload, outage } = site
  const wakes: Record<WakeKind, number> = { watch: 0, 're-read': 0, poll: 0, local: 0, sweep: 0 }
  const ear = createEar(site.signal, wake, createOutage('signals cannot be heard', site.report))
  let session: Session | null = null

  function start(): void {
    if (session) return
    let onStarted = () => {}
    const started = new Promise<void>((resolve) => {
      onStarted = resolve
    })
    const timer = setInterval(sweep, site.poll)
    session = { cursor: null, dirty: false, reading: false, readAt: 0, timer, started, onStarted }
    ear.want(true)
    void run(session)
  }

  function stop(): void {
    if (!session) return
    clearInterval(session.timer)
    session.onStarted()
    session = null
    ear.want(false)
  }

  function sweep(): void {
    void ear.check()
    site.onSweep()
    wake('sweep')
  }

  function wake(kind: WakeKind): void {
    wakes[kind] += 1
    const own = session
    if (!own || own.dirty) return
    own.dirty = true
    if (own.reading) return
    // Of a burst, one read takes all that a turn of the loop brings. After a calm the turn's rest would only
    // delay the event; a publisher in this process has its own work to do first.
    if (kind !== 'local' && performance.now() - own.readAt > CALM) queueMicrotask(() => void run(own))
    else setImmediate(run, own)
  }

  async function run(own: Session): Promise<void> {
    if (own !== session || own.reading) return
    own.reading = true
    try {
      await read(own)
      outage.worked()
    } catch (error) {
      // The next wake-up or sweep tries again, from the same place.
      if (own === session) outage.failed(error)
    }
    own.reading = false
    own.readAt = performance.now()
    if (own.dirty) setImmediate(run, own)
  }

  async function read(own: Session): Promise<void> {
    own.dirty = false
    if (own.cursor === null) {
      const { epoch, n } = await payload().head()
      own.cursor = { epoch, n }
      own.onStarted()
    }
    while (own === session) {
      const { keys, version } = site.listened()
      const page: Page = await payload().read({ after: own.cursor, keys, ...PAGE })
      if (own !== session) return
      site.onPage(page, version, page.head.epoch !== own.cursor.epoch)
      own.cursor = { epoch: page.head.epoch, n: page.to }
      if (own.cursor.n >= page.head.n) return
      await immediate()
    }
  }

  return {
    get cursor() {
      return session?.cursor ?? null
    },
    start,
    stop,
    started: async () => session?.started,
    wake,
    wakes,
    get mode() {
      return ear.mode
    },
    close: async () => {
      stop()
      await ear.settled()
    },
  }
}
