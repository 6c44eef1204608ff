import { readSeconds } from './environment.js'
import type { FileSignalError } from './errors.js'
import { PAYLOAD_CAP } from './event.js'
import {
  HOOK_OPTIONS,
  type HookOptions,
  type HookPlan,
  type HydrateMode,
  validateHooks,
} from './hook-options.js'
import {
  deliver,
  duration,
  flag,
  fn,
  group,
  limit,
  refuseUnknown,
  replay,
  retry,
  size,
  text,
  whole,
} from './option-values.js'
import type { PayloadFactory } from './payload/engine.js'
import type { SignalFactory } from './signal/engine.js'

/** Milliseconds, or a text such as `'15s'`, `'10m'`, `'24h'`. */
export type Duration = number | string
/** Bytes, or a text such as `'64kb'`, `'128mb'`. */
export type Size = number | string

/** How long events are kept. `false` lifts a limit. */
export interface RetentionOptions {
  /** Age of the oldest event. Default `'24h'`. */
  maxAge?: Duration | false
  /** Events per key. Default 10,000. */
  maxPerKey?: number | false
  /** Bytes that the store may use. Default `'128mb'`. */
  maxBytes?: Size | false
}

/** Retention as it is obeyed: milliseconds, a count and bytes; Infinity where a limit is lifted. */
export interface Retention {
  readonly maxAge: number
  readonly maxPerKey: number
  readonly maxBytes: number
}

/** What `createFileSignal()` takes; everything is optional. */
export interface FileSignalOptions {
  /** The project root; see "Paths" in the README for how it is found otherwise. Also `FILE_SIGNAL_ROOT`. */
  root?: string
  /** Folder of the signal file, relative to the root. Default `tmp/sse_signals`. Also `FILE_SIGNAL_DIR`. */
  directory?: string
  /** The store, relative to the root. Default `data/sse_payloads.sqlite`. Also `FILE_SIGNAL_DATABASE`. */
  database?: string
  /** Rights of new files; folders get the matching x bits. Default 0o600. */
  mode?: number
  /** Group of new files and folders, name or number, for a cron user beside a web user. */
  group?: string | number
  /** Where events are kept. Default: SQLite. */
  payload?: PayloadFactory
  /** How sleeping processes are woken. Default: the signal file. */
  signal?: SignalFactory
  /** How long events are kept. Given here it is remembered by the store, and obeyed by every process. */
  retention?: RetentionOptions
  /** Largest payload as JSON. Default `'64kb'`, at most 1 MiB. */
  payloadLimit?: Size
  /** How often readers look without a wake-up. Default 1 s, 20 ms to 1 h. Also `SSE_POLL_INTERVAL`, in seconds. */
  poll?: Duration
  /** Silence after which a stream sends a comment line. Default 15 s. */
  heartbeat?: Duration
  /** Longest life of one stream, shortened at random by up to a fifth. Default 10 min; false: no end. */
  duration?: Duration | false
  /** What browsers wait before they reconnect: a fixed time, or a range to draw from. Default 2 to 5 s. */
  retry?: Duration | readonly [Duration, Duration]
  /** Bytes waiting in one socket before its stream reads from the store instead. Default 256 KiB. */
  buffer?: Size
  /**
   * Gets every failure that has no caller: a lost watcher, a full disk, a hook that threw. It may be async; where it fails
   * itself, both failures are process warnings. Default: a process warning.
   */
  onError?: (error: FileSignalError) => unknown
}

/** Who gets an event: every stream of its key, or one of them. */
export type Deliver = 'all' | 'once'

/**
 * What a stream takes beside its keys. `Context` is what callbacks get at connect, `Hooked` what hooks get
 * while the stream is open.
 */
export interface StreamOptions<Context = unknown, Hooked = Context, Mode extends HydrateMode = 'each'>
  extends HookOptions<Hooked, Mode> {
  /** Default event name for events without one. */
  event?: string
  /** True: a payload that is an object with a string `event` is sent under that name, where it can be one. Default false. */
  eventFromPayload?: boolean
  /** What a client without a cursor gets first. Default `'none'`. */
  replay?: 'none' | 'last' | 'all' | number
  /** `'once'`: each event goes to one of the streams of its key, over all processes, and then leaves the store. Default `'all'`. */
  deliver?: Deliver
  /** Asked at each connect, after the keys are known. False refuses with 403. */
  authorize?: (context: Context, keys: readonly string[]) => boolean | Promise<boolean>
  heartbeat?: Duration
  duration?: Duration | false
  retry?: Duration | readonly [Duration, Duration]
}

/** Instance options after validation. Times in milliseconds, sizes in bytes. */
export interface Settings extends StreamSettings {
  readonly root: string | null
  readonly directory: string | null
  readonly database: string | null
  readonly mode: number
  readonly group: string | number | null
  readonly payload: PayloadFactory | null
  readonly signal: SignalFactory | null
  readonly retention: Partial<Retention> | null
  readonly payloadLimit: number
  readonly poll: number
  readonly buffer: number
  readonly onError: ((error: FileSignalError) => unknown) | null
}

/** The part of the settings that each stream may set for itself. */
export interface StreamSettings {
  readonly heartbeat: number
  readonly duration: number
  readonly retry: readonly [number, number]
}

/** Stream options after validation. */
export interface StreamPlan<Context, Hooked = Context> extends StreamSettings {
  readonly event: string | null
  readonly eventFromPayload: boolean
  /** Number of events for a client without a cursor; Infinity is all. */
  readonly replay: number
  readonly deliver: Deliver
  readonly authorize: StreamOptions<Context>['authorize'] | null
  readonly hooks: HookPlan<Hooked> | null
}

/** What of the instance's settings holds for a stream that does not say otherwise. */
export type StreamDefaults = StreamSettings & Pick<Settings, 'poll'>

export const DEFAULT_RETENTION: Retention = Object.freeze({
  maxAge: 24 * 60 * 60 * 1000,
  maxPerKey: 10_000,
  maxBytes: 128 * 1024 * 1024,
})

export const DEFAULTS: Settings = Object.freeze({
  root: null,
  directory: null,
  database: null,
  mode: 0o600,
  group: null,
  payload: null,
  signal: null,
  retention: null,
  payloadLimit: 64 * 1024,
  poll: 1000,
  buffer: 256 * 1024,
  heartbeat: 15_000,
  duration: 10 * 60 * 1000,
  retry: Object.freeze([2000, 5000] as const),
  onError: null,
})

/** The part of `process.env` that is asked for. */
export type Environment = Readonly<Record<string, string | undefined>>

/** Environment variables: where things lie, and what `routes()` streams without code. */
export const ENVIRONMENT = Object.freeze({
  root: 'FILE_SIGNAL_ROOT',
  directory: 'FILE_SIGNAL_DIR',
  database: 'FILE_SIGNAL_DATABASE',
  events: 'SSE_EVENTS',
  duration: 'SSE_STREAM_DURATION',
  poll: 'SSE_POLL_INTERVAL',
})

const HOUR = 60 * 60 * 1000
const WEEKS = 366 * 24 * HOUR
/** The shortest and the longest time between two looks, in milliseconds. */
export const POLL = Object.freeze([20, HOUR] as const)

/** The shortest and the longest duration of a stream, in milliseconds. */
export const DURATIONS = Object.freeze([20, WEEKS] as const)

/** Checks instance options, and fills in what `env` says, or else the defaults. Throws OPTION_INVALID. */
export function validateOptions(options: FileSignalOptions = {}, env: Environment = {}): Settings {
  refuseUnknown(options, 'createFileSignal', Object.keys(DEFAULTS))
  const given = options.retention
  return Object.freeze({
    ...validateStreamSettings(options, DEFAULTS),
    root: text(options.root, 'root'),
    directory: text(options.directory, 'directory'),
    // A factory that was given a path keeps its store there, whatever else is said.
    database: options.payload?.database ?? text(options.database, 'database'),
    mode: whole(options.mode, 'mode', 0o400, 0o777) ?? DEFAULTS.mode,
    group: group(options.group),
    payload: fn(options.payload, 'payload'),
    signal: fn(options.signal, 'signal'),
    retention: given === undefined ? null : validateRetention(given),
    payloadLimit: size(options.payloadLimit, 'payloadLimit', 1, PAYLOAD_CAP) ?? DEFAULTS.payloadLimit,
    poll: duration(options.poll, 'poll', ...POLL) ?? pollOf(env) ?? DEFAULTS.poll,
    buffer: size(options.buffer, 'buffer', 1024, 1024 ** 3) ?? DEFAULTS.buffer,
    onError: fn(options.onError, 'onError'),
  })
}

/** Checks stream options against the instance's settings. Throws OPTION_INVALID or EVENT_INVALID. */
export function validateStream<Context, Hooked = Context>(
  options: StreamOptions<Context, Hooked, HydrateMode>,
  settings: StreamDefaults,
  checkEvent: (event: unknown) => string | null,
): StreamPlan<Context, Hooked> {
  refuseUnknown(options, 'stream', STREAM_OPTIONS)
  return Object.freeze({
    ...validateStreamSettings(options, settings),
    event: checkEvent(options.event),
    eventFromPayload: flag(options.eventFromPayload, 'eventFromPayload'),
    replay: replay(options.replay),
    deliver: deliver(options.deliver, options.replay),
    authorize: fn(options.authorize, 'authorize'),
    hooks: validateHooks(options, settings.poll),
  })
}

const STREAM_OPTIONS = [
  'event',
  'eventFromPayload',
  'replay',
  'deliver',
  'authorize',
  'heartbeat',
  'duration',
  'retry',
  ...HOOK_OPTIONS,
]

/** The part that streams of every kind have. Throws OPTION_INVALID. */
export function validateStreamSettings(
  options: Pick<FileSignalOptions, 'heartbeat' | 'duration' | 'retry'>,
  defaults: StreamSettings,
): StreamSettings {
  return {
    heartbeat: duration(options.heartbeat, 'heartbeat', 20, HOUR) ?? defaults.heartbeat,
    duration:
      limit(options.duration, (value) => duration(value, 'duration', ...DURATIONS)) ?? defaults.duration,
    retry: retry(options.retry) ?? defaults.retry,
  }
}

function pollOf(env: Environment): number | null {
  return readSeconds(ENVIRONMENT.poll, env[ENVIRONMENT.poll], POLL)
}

function validateRetention(options: RetentionOptions): Partial<Retention> {
  refuseUnknown(options, 'retention', Object.keys(DEFAULT_RETENTION))
  const maxAge = limit(options.maxAge, (value) => duration(value, 'retention.maxAge', 1, 100 * WEEKS))
  const maxPerKey = limit(options.maxPerKey, (value) =>
    whole(value, 'retention.maxPerKey', 1, Number.MAX_SAFE_INTEGER),
  )
  const maxBytes = limit(options.maxBytes, (value) =>
    size(value, 'retention.maxBytes', 64 * 1024, Number.MAX_SAFE_INTEGER),
  )
  return Object.freeze({
    ...(maxAge === null ? {} : { maxAge }),
    ...(maxPerKey === null ? {} : { maxPerKey }),
    ...(maxBytes === null ? {} : { maxBytes }),
  })
}
