import type { FileSignalError } from '../errors.js'
import type { Settings, StreamPlan } from '../options.js'
import type { PayloadEngine } from '../payload/engine.js'
import type { SignalEngine, WakeKind } from '../signal/engine.js'
import type { Outgoing } from './connection.js'
import type { SubscribeOptions, Subscriber } from './subscribe.js'

/** What streams are built on. The engines are asked for when they are first needed. */
export interface StreamsSite {
  readonly payload: () => PayloadEngine
  readonly signal: () => SignalEngine
  readonly settings: Pick<Settings, 'poll' | 'buffer'>
  readonly report: (error: FileSignalError) => void
}

/** One stream to open: validated keys without duplicates, and the client's Last-Event-ID or null. */
export interface StreamRequest {
  readonly response: Outgoing
  readonly keys: readonly string[]
  readonly lastEventId: string | null
  readonly plan: Pick<StreamPlan<never>, 'event' | 'replay' | 'heartbeat' | 'duration' | 'retry'>
}

/** What `stats()` tells of the streams of this instance. */
export interface StreamStats {
  /** Open responses and subscribers. */
  readonly streams: number
  readonly live: number
  readonly behind: number
  /** Keys that somebody listens to. */
  readonly keys: number
  /** Where the one reader stands, as an id; null while nobody listens. */
  readonly cursor: string | null
  /** Wake-ups since the start, by kind. */
  readonly wakes: Readonly<Record<WakeKind, number>>
  /** How wake-ups arrive now; null while nobody listens. */
  readonly mode: 'watch' | 'poll' | null
  /** Bytes that wait in sockets. */
  readonly waiting: number
}

/** Every open stream and subscriber of one instance, and the one reader that feeds them. */
export interface Streams {
  /**
   * Opens a stream on a response. Resolves with 'open' once the stream is on its way (or the client
   * gone), with 'over' where every key has ended and the client knows: nothing is written, answer 204.
   * Never rejects: what fails is reported, and the client told to come back.
   */
  open(request: StreamRequest): Promise<'open' | 'over'>
  /** Events as an async iterable. Throws KEY_INVALID and OPTION_INVALID at the call. */
  subscribe(keys: string | readonly string[], options?: SubscribeOptions): Subscriber
  /** Tells the one reader that something may have been committed. */
  wake(kind: WakeKind): void
  stats(): StreamStats
  /** Ends every stream and subscriber. Resolves when each socket has ended, or was destroyed after 5 s. Idempotent. */
  close(): Promise<void>
}

export declare function createStreams(site: StreamsSite): Streams
