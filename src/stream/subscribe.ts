import { setTimeout as sleep } from 'node:timers/promises'
import { FileSignalError, quote } from '../errors.js'
import { type Event, formatId } from '../event.js'
import type { PayloadEngine } from '../payload/engine.js'
import { lastBatch } from './batch.js'
import { checkKeys } from './keys.js'
import type { LostWriters } from './lost-writers.js'
import type { Outage } from './outage.js'
import { createQueue, type Queue } from './queue.js'
import { findStart, type Start } from './start.js'
import type { Subscription, Subscriptions } from './subscription.js'

export interface SubscribeOptions {
  /** The id after which to begin. Default: the head at the call. */
  after?: string | undefined
}

/**
 * Events in order, each once; finished when every key has ended, at `return()`, and when the instance
 * closes. Throws CURSOR_LOST where a stream would send a reset, ENDED_EARLY in place of the end where one of its
 * keys ended with a reason, and is finished then.
 */
export interface Subscriber extends AsyncDisposable {
  // Not `extends AsyncIterableIterator`: TypeScript before 5.6 gives that one parameter, later versions three.
  next(): Promise<IteratorResult<Event, undefined>>
  return(): Promise<IteratorResult<Event, undefined>>
  [Symbol.asyncIterator](): Subscriber
}

/** All subscribers of one instance. */
export interface Subscribers {
  open(keys: string | readonly string[], options?: SubscribeOptions): Subscriber
  /** Those that have begun and not yet finished. */
  readonly size: number
  /** Finishes all, and those to come. */
  close(): void
}

export interface SubscribersSite {
  readonly payload: () => PayloadEngine
  readonly lostWriters: LostWriters
  readonly subscriptions: Subscriptions
  readonly poll: number
  readonly outage: Outage
}

/** Its subscriptions send no frames, so their shape only keeps them in groups of their own. */
const SHAPE = Object.freeze({ defaultEvent: null, keyed: true, naming: null })

export function createSubscribers(site: SubscribersSite): Subscribers {
  const begun = new Set<Queue>()
  let closed = false

  /** The subscriber takes part from the first `next()` on: one that nobody reads costs nothing. */
  function open(given: string | readonly string[], options: SubscribeOptions = {}): Subscriber {
    const keys = checkSome(given)
    const after = checkAfter(options)
    const noted = after === null ? noteHead() : Promise.resolve(after)
    const finished = new AbortController()
    let subscription: Subscription | null = null
    let started = false
    const queue = createQueue({
      onDrain: () => subscription && site.subscriptions.drained(subscription),
      onFinish: () => {
        begun.delete(queue)
        finished.abort()
        if (subscription) site.subscriptions.close(subscription)
      },
    })

    async function begin(): Promise<void> {
      if (closed) return queue.finish()
      begun.add(queue)
      const start = await persist(keys, await noted, finished.signal)
      if (finished.signal.aborted) return
      if (start.reset) queue.reset(start.reset, start.cursor)
      else if (start.over) queue.done(start.over.at, lastBatch(start.over, SHAPE))
      else subscription = site.subscriptions.attach(keys, SHAPE, queue, start)
      // The first page may have finished the queue before there was a subscription to close.
      if (subscription && finished.signal.aborted) site.subscriptions.close(subscription)
    }

    async function end(): Promise<IteratorResult<Event, undefined>> {
      queue.discard()
      return { done: true, value: undefined }
    }

    const subscriber: Subscriber = {
      next: () => {
        if (!started && !finished.signal.aborted) begin().catch(queue.finish)
        started = true
        return queue.next()
      },
      return: end,
      [Symbol.asyncIterator]: () => subscriber,
      [Symbol.asyncDispose]: async () => void (await end()),
    }
    return subscriber
  }

  async function noteHead(): Promise<string | null> {
    try {
      const { epoch, n } = await site.payload().head()
      return formatId(epoch, n)
    } catch (error) {
      site.outage.failed(error)
      return null
    }
  }

  /** Tries until the store can be read, or rejects when `signal` aborts. */
  async function persist(keys: readonly string[], after: string | null, signal: AbortSignal): Promise<Start> {
    for (;;) {
      try {
        await site.lostWriters.look()
        return await findStart(site.payload(), keys, after, 0)
      } catch (error) {
        site.outage.failed(error)
        await sleep(site.poll, undefined, { signal })
      }
    }
  }

  return {
    open,
    get size() {
      return begun.size
    },
    close: () => {
      closed = true
      for (const queue of begun) queue.finish()
    },
  }
}

function checkSome(given: unknown): readonly string[] {
  const keys = checkKeys(given)
  if (keys.length > 0) return keys
  throw new FileSignalError('OPTION_INVALID', 'subscribe was given no keys', { remedy: 'name at least one' })
}

function checkAfter(options: SubscribeOptions): string | null {
  const { after, ...unknown } = options
  const [name] = Object.keys(unknown)
  if (name !== undefined) {
    throw new FileSignalError('OPTION_INVALID', `subscribe has no option ${quote(name)}`, {
      remedy: 'known is after',
    })
  }
  if (after === undefined || typeof after === 'string') return after || null
  throw new FileSignalError('OPTION_INVALID', `after is ${quote(after)}`, {
    remedy: 'use the id of an event',
  })
}
