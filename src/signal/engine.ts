import type { ErrorCode } from '../errors.js'
import type { Cursor, Hint } from '../event.js'

/**
 * The contract of a signal engine: how sleeping processes are woken.
 *
 * A wake-up is a hint. It may be lost, repeated or late; readers find the rows by themselves. So
 * nothing here ever rejects because a hint could not be given: it is reported once, and reported
 * again only after it has worked in between.
 */
export interface SignalEngine {
  readonly name: string
  /** Wakes the listeners of every process: row `head.n` is committed. Never throws, never rejects. */
  raise(head: Cursor): void
  /** Starts to listen. Resolves when a raise from now on would be noticed, by whatever means are left. */
  listen(onWake: (kind: WakeKind) => void): Promise<SignalListener>
  /** The newest row that a hint has named, where the engine remembers one. Never throws. */
  newest?(): Hint | null
  close(): Promise<void>
}

/** One listener per process and instance. */
export interface SignalListener {
  /** Looks after itself: notices what broke since the last call, and heals it. Called at every sweep. Never rejects. */
  check(): Promise<void>
  /** How wake-ups arrive now: by notification, or by asking at an interval. */
  readonly mode: 'watch' | 'poll'
  /** Idempotent. Resolves when no further wake-up will come. */
  close(): Promise<void>
}

/**
 * Why a reader was woken: `watch` a notification, `re-read` the second look after one, `poll` a
 * changed mtime, `local` a publisher in this process, `sweep` the clock.
 */
export type WakeKind = 'watch' | 're-read' | 'poll' | 'local' | 'sweep'

export interface SignalSite {
  /** The signal file. Throws ROOT_UNKNOWN. */
  readonly signalFile: () => string
  readonly mode: number
  readonly group: string | number | null
  /** The project folder that its files lie in, which is never made again; null where there is none. */
  readonly root?: string | null
  readonly report: (error: unknown) => void
  /** What was reported under this code works again; for those who look at `stats()`. */
  readonly recovered?: ((code: ErrorCode) => void) | undefined
}

/** What `createFileSignal({ signal })` takes. It opens nothing until the engine is first used. */
export type SignalFactory = (site: SignalSite) => SignalEngine
