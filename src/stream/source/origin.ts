import { attempt } from '../../attempt.js'
import { type AnyIterable, type Items, itemsOf, letGo } from '../../iterable.js'
import type { SourcePlan } from '../../source-options.js'
import { createAsking } from './asking.js'
import type { SourceFaults } from './faults.js'
import { createReading, type Reading } from './reading.js'
import { answeredItems, isReadOnce, type Source, type SourceFunction } from './source.js'

/** Why a run ended otherwise than well; these words go to clients. */
export type SourceEnd = 'failed' | 'used' | 'slow'

/** What hears of a run. Items and the end come after the run was returned to whoever began it. */
export interface RunSite {
  /** Path of the request that the run was begun for. */
  readonly path: string
  /** Told when the source has shown what it is. */
  readonly onKind: (kind: 'callback' | 'iterable') => void
  /** Takes one item. False: an iterable is read no further until `resume()`. */
  readonly onItem: (item: unknown) => boolean
  /** The iterable has ended; nothing follows. */
  readonly onEnd: (reason: SourceEnd | null) => void
}

/** One run of a source. */
export interface Run {
  resume(): void
  /** Nobody listens any more: aborts the signal and lets the iterator go. Idempotent. */
  stop(): void
}

/** Begins a run for a client, or, with null, for all clients. */
export type Origin<Context> = (context: Context, lastEventId: string | null, site: RunSite) => Run

/** What a source is made of, known to all of its runs: an iterator can be read by one of them only. */
export function createOrigin<Context>(
  source: Source<Context>,
  plan: SourcePlan<never>,
  faults: SourceFaults,
): Origin<Context> {
  return typeof source === 'function'
    ? (context, lastEventId, site) => askFor(source, context, lastEventId, site, plan, faults)
    : createIterableOrigin(source, plan.share, faults)
}

function askFor<Context>(
  source: SourceFunction<Context>,
  context: Context,
  lastEventId: string | null,
  site: RunSite,
  plan: SourcePlan<never>,
  faults: SourceFaults,
): Run {
  let reading: Reading | null = null
  let abort = () => {}

  function take(answer: unknown): void {
    const items = answeredItems(answer)
    site.onKind(items ? 'iterable' : 'callback')
    if (!items) return void site.onItem(answer)
    abort = asking.release()
    reading = read(() => items, end, site, faults)
  }

  function end(reason: SourceEnd | null): void {
    abort = () => {}
    site.onEnd(reason)
  }

  const asking = createAsking({
    ask: (signal) => source(context, { signal, lastEventId }),
    every: plan.every,
    timeouts: plan.timeouts,
    onAnswer: take,
    onFailure: (error) => {
      site.onKind('callback')
      faults.failed('threw', site.path, error)
    },
    onTimeout: (limit) => {
      site.onKind('callback')
      faults.hung(limit, site.path)
    },
    onLate: (answer) => {
      const items = answeredItems(answer)
      if (items) letGo(items)
    },
  })
  return {
    resume: () => reading?.resume(),
    stop: () => {
      asking.stop()
      abort()
      reading?.stop()
    },
  }
}

function createIterableOrigin(source: AnyIterable, share: boolean, faults: SourceFaults): Origin<unknown> {
  let isTaken = false
  let hasEnded = false

  function refuse(site: RunSite): Run {
    // All who came in time have heard a shared one to its end.
    const reason = share && hasEnded ? null : 'used'
    if (reason) faults.used(site.path)
    queueMicrotask(() => site.onEnd(reason))
    return { resume: () => {}, stop: () => {} }
  }

  return (_context, _lastEventId, site) => {
    if (isTaken) return refuse(site)
    isTaken = attempt(() => isReadOnce(source)) ?? true
    const end = (reason: SourceEnd | null) => {
      hasEnded = reason === null
      site.onEnd(reason)
    }
    site.onKind('iterable')
    return read(() => itemsOf(source), end, site, faults)
  }
}

function read(open: () => Items, end: RunSite['onEnd'], site: RunSite, faults: SourceFaults): Reading {
  return createReading(open, {
    onItem: site.onItem,
    onEnd: () => end(null),
    onFailure: (error) => {
      faults.failed('threw', site.path, error)
      end('failed')
    },
  })
}
