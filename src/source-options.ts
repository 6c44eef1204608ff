import { FileSignalError, quote } from './errors.js'
import { checkEvent } from './event.js'
import { duration, flag, fn, invalid, refuseUnknown } from './option-values.js'
import { type Duration, POLL, type Settings, type StreamSettings, validateStreamSettings } from './options.js'

/** What `streamFrom()` and `handlerFrom()` take beside their source. */
export interface SourceOptions<Context, Share extends boolean = boolean> {
  /** Event name of items that name none. */
  event?: string
  /** Milliseconds, or a text, from one turn of a callback to the next. Default: the instance's `poll`. */
  every?: Duration
  /** How long one turn of a callback may take. Default 5 s, and 60 s for the first, which may bring an iterable. */
  timeout?: Duration
  /** One run of the source for all clients, while there are any; a function gets null for its context. Default false. */
  share?: Share
  /** What a client gets first of a shared run: the last item, or nothing. Default: a callback's last, an iterable's none. */
  replay?: 'none' | 'last'
  /** Asked at each connect. False refuses with 403. */
  authorize?: (context: Context) => boolean | Promise<boolean>
  heartbeat?: Duration
  /** Default: the instance's for callbacks, no end for iterables, which would be run again. */
  duration?: Duration | false
  retry?: Duration | readonly [Duration, Duration]
}

/** Source options after validation, times in milliseconds. */
export interface SourcePlan<Context> extends StreamSettings {
  readonly event: string | null
  readonly every: number
  /** Of the first turn, and of each later one. */
  readonly timeouts: readonly [number, number]
  readonly share: boolean
  /** Null: as the kind of source has it. */
  readonly replay: 'none' | 'last' | null
  /** Longest life of a callback's streams; Infinity where `duration` says it for all. */
  readonly callbackDuration: number
  readonly authorize: ((context: Context) => boolean | Promise<boolean>) | null
}

const KNOWN = ['event', 'every', 'timeout', 'share', 'replay', 'authorize', 'heartbeat', 'duration', 'retry']
const TIMEOUT = 5000
const FIRST_TIMEOUT = 60_000

/** Checks the options of a source against the instance's settings. Throws OPTION_INVALID and EVENT_INVALID. */
export function validateSource<Context>(
  options: SourceOptions<Context>,
  settings: StreamSettings & Pick<Settings, 'poll'>,
  isFunction: boolean,
): SourcePlan<Context> {
  refuseUnknown(options, 'streamFrom', KNOWN)
  if (!isFunction) refuseCallbackOptions(options)
  const share = flag(options.share, 'share')
  const timeout = duration(options.timeout, 'timeout', ...POLL)
  const endless = { ...settings, duration: Number.POSITIVE_INFINITY }
  return Object.freeze({
    ...validateStreamSettings(options, endless),
    event: checkEvent(options.event),
    every: duration(options.every, 'every', ...POLL) ?? settings.poll,
    timeouts: [timeout ?? FIRST_TIMEOUT, timeout ?? TIMEOUT] as const,
    share,
    replay: replay(options.replay, share),
    callbackDuration: options.duration === undefined ? settings.duration : Number.POSITIVE_INFINITY,
    authorize: fn(options.authorize, 'authorize'),
  })
}

function refuseCallbackOptions(options: SourceOptions<never>): void {
  for (const name of ['every', 'timeout'] as const) {
    if (options[name] === undefined) continue
    throw new FileSignalError('OPTION_INVALID', `${name} is ${quote(options[name])} for an iterable`, {
      remedy: 'leave it out: an iterable is read as fast as its clients take it',
    })
  }
}

function replay(value: unknown, share: boolean): 'none' | 'last' | null {
  if (value === undefined) return null
  if (value !== 'none' && value !== 'last') throw invalid('replay', value, '"none" or "last"')
  if (share) return value
  throw new FileSignalError('OPTION_INVALID', `replay is ${quote(value)} without share`, {
    remedy: 'add share: true, or leave it out: each client begins a run of its own',
  })
}
