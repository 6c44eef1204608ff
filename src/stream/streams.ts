import type { ErrorCode, FileSignalError } from '../errors.js'
import type { Settings, StreamSettings } from '../options.js'
import type { PayloadEngine } from '../payload/engine.js'
import type { SignalEngine, WakeKind } from '../signal/engine.js'
import { createAudience } from './audience.js'
import { lastBatch } from './batch.js'
import type { Connection } from './connection.js'
import { dispatch } from './dispatch.js'
import { createFigures, type Figures } from './figures/figures.js'
import { createPlaces } from './figures/place.js'
import { encodeReady } from './frame.js'
import { helloTo, sayAgain } from './hello.js'
import { createHookFaults } from './hooks/hook-faults.js'
import { createHooks, type Hooks, type RunningHooks } from './hooks/hooks.js'
import { createPacer } from './hooks/pacer.js'
import { createSharedHydrations } from './hooks/shared-hydration.js'
import { createTurns } from './hooks/turns.js'
import { createLostWriters } from './lost-writers.js'
import { createMailboxes } from './mailbox/mailboxes.js'
import { asReported, createOutage } from './outage.js'
import type { Outgoing } from './outgoing.js'
import { openProbe } from './probe.js'
import { type StreamRequest, shapeOf } from './request.js'
import { createResponses, type Feed } from './responses.js'
import { findStart, type Start } from './start.js'
import { countStreams, type StreamCounts } from './stats.js'
import { createSubscribers, type SubscribeOptions, type Subscriber } from './subscribe.js'
import { createSubscriptions, type Subscription } from './subscription.js'
import { createTailer } from './tailer.js'
import { createTicker } from './ticker.js'

/** What streams are built on. The engines are asked for when they are first needed. */
export interface StreamsSite {
  readonly payload: () => PayloadEngine
  readonly signal: () => SignalEngine
  readonly settings: Pick<Settings, 'poll' | 'buffer'>
  /** Told when the first response opens, and when the last one is gone. */
  readonly onStreaming?: (streaming: boolean) => void
  /** The address of a response's client, null where it is unknown; asked only for lists of streams. */
  readonly addressOf?: (response: Outgoing) => string | null
  readonly report: (error: FileSignalError) => void
  /** What was reported under this code works again. */
  readonly recovered?: (code: ErrorCode) => void
}

/** Every open stream and subscriber of one instance, and the one reader that feeds them. */
export interface Streams {
  /**
   * Opens a stream on a response. Resolves with 'open' once the stream is on its way (or the client
   * gone), with 'over' where every key has ended and the client knows: nothing is written, answer 204.
   * Never rejects: what fails is reported, and the client told to come back.
   */
  open(request: StreamRequest): Promise<'open' | 'over'>
  /** Opens a response that `feed` fills, without the store. Null where there is nothing to fill: gone, or ended at once. */
  accept(response: Outgoing, plan: StreamSettings, feed: Feed): Connection | null
  /** Events as an async iterable. Throws KEY_INVALID and OPTION_INVALID at the call. */
  subscribe(keys: string | readonly string[], options?: SubscribeOptions): Subscriber
  /** Tells the one reader that something may have been committed. */
  wake(kind: WakeKind): void
  stats(): StreamCounts
  /** What is measured while they run, and lists of what is open. */
  readonly figures: Omit<Figures, 'note'>
  /** Ends every response, for another process is to take over. Who comes back here too soon gets a brief one. */
  handOver(): void
  /** Ends every stream and subscriber. Resolves when each socket has ended, or was destroyed after 5 s. Idempotent. */
  close(): Promise<void>
}

export function createStreams(site: StreamsSite): Streams {
  const { payload, report, onStreaming = () => {}, addressOf = () => null } = site
  const { poll, buffer } = site.settings
  const outage = createOutage(
    'the store could not be read for streams: open ones wait for it, new ones are told to come back',
    report,
    site.recovered,
  )
  const audience = createAudience()
  const ticker = createTicker()
  const lostWriters = createLostWriters(
    payload,
    createOutage('a writer that is gone could not be noted, and is looked for again', report, site.recovered),
  )
  const tailer = createTailer({
    payload,
    signal: site.signal,
    poll,
    listened: audience.listened,
    onSweep: () => void lostWriters.look(),
    onPage: (page, version, replaced) => {
      dispatch(page, version, replaced, audience, subscriptions)
      figures.note(page.rows)
      mailboxes.hear(page, version, replaced)
    },
    outage,
    report,
  })
  const subscriptions = createSubscriptions({ payload, audience, tailer, poll, outage })
  const subscribers = createSubscribers({ payload, lostWriters, subscriptions, poll, outage })
  const mailboxes = createMailboxes({ payload, audience, tailer, ticker, outage, wake: wakeOthers })
  const fed = new Map<Connection, Subscription>()
  const hooked = new Map<Connection, RunningHooks>()
  /** What takes back the second hello of those that want one. */
  const greeted = new Map<Connection, () => void>()
  const shared = createSharedHydrations()
  const pacer = createPacer()
  const turns = createTurns()
  const faults = createHookFaults(report)
  let closing: Promise<void> | null = null

  const responses = createResponses({
    buffer,
    ticker,
    onStreaming,
    onDrain: (connection) => {
      const hooks = hooked.get(connection)
      if (hooks) hooks.drained()
      else drained(connection)
    },
    lastWords: (connection) => hooked.get(connection)?.lastWords() ?? '',
    onEnd: over,
    onClose: (connection) => {
      over(connection)
      mailboxes.leave(connection)
    },
    onFault: (error) => report(asReported(error, 'a stream failed, and was given up')),
  })

  const placeOf = createPlaces({ fed, mailboxes, tailer })
  const figures = createFigures({ connections: responses.all, placeOf, addressOf, audience })

  function drained(connection: Connection): void {
    const subscription = fed.get(connection)
    if (subscription) subscriptions.drained(subscription)
  }

  function over(connection: Connection): void {
    const subscription = fed.get(connection)
    if (subscription) subscriptions.close(subscription)
    fed.delete(connection)
    hooked.get(connection)?.close()
    hooked.delete(connection)
    greeted.get(connection)?.()
    greeted.delete(connection)
    mailboxes.retire(connection)
  }

  async function open(request: StreamRequest): Promise<'open' | 'over'> {
    if (request.mode === 'probe') {
      openProbe(responses.accept, request)
      return 'open'
    }
    const connection = responses.connect(request)
    if (!connection.isOpen()) return 'open'
    const start = responses.isRefused(request.response) ? null : await prepare(connection, request)
    if (start?.over?.seen && connection.isOpen()) {
      connection.release()
      return 'over'
    }
    if (start && connection.isOpen()) begin(connection, request, start)
    else connection.end()
    return 'open'
  }

  /** A store that does not answer within this tick must not hold back the first byte. */
  async function prepare(connection: Connection, request: StreamRequest): Promise<Start | null> {
    const { keys, lastEventId, plan } = request
    const once = plan.deliver === 'once'
    // A client with a cursor, or of a mailbox, may have to get 204 instead.
    if (lastEventId === null && !once) setImmediate(connection.open)
    try {
      if (payload().leases) await lostWriters.look()
      const start = once
        ? await mailboxes.find(keys)
        : await findStart(payload(), keys, lastEventId, plan.replay)
      outage.worked()
      return start
    } catch (error) {
      outage.failed(error)
      return null
    }
  }

  function begin(connection: Connection, request: StreamRequest, start: Start): void {
    const hello = request.hello ? helloTo(request) : ''
    connection.open(encodeReady(start.reset ? null : start.cursor, request.plan.heartbeat) + hello)
    if (!connection.isOpen()) return
    if (hello && request.mode === 'stream') {
      greeted.set(
        connection,
        sayAgain(connection, hello, () => greeted.delete(connection)),
      )
    }
    if (start.reset) connection.reset(start.reset, start.cursor)
    if (start.over) connection.done(start.over.at, lastBatch(start.over, shapeOf(request)))
    if (!connection.isOpen()) return
    // What a mailbox deals out to an answer that nobody waits for may be lost with it.
    if (request.mode === 'now' && request.plan.deliver === 'once') connection.end()
    else attach(connection, request, start)
  }

  function attach(connection: Connection, request: StreamRequest, start: Start): void {
    const shape = shapeOf(request)
    const hooks = request.hooks && startHooks(connection, request, request.hooks)
    if (!connection.isOpen()) return
    if (request.plan.deliver === 'once') {
      mailboxes.attach(request.keys, shape, connection, hooks?.hydrator ?? null)
      return
    }
    const sink = hooks?.sink ?? connection
    const wanted = request.mode === 'now' ? { ...sink, caughtUp: connection.end } : sink
    const subscription = subscriptions.attach(request.keys, shape, wanted, start)
    // What it replayed may have ended it already.
    if (connection.isOpen()) fed.set(connection, subscription)
    else subscriptions.close(subscription)
  }

  function startHooks(connection: Connection, request: StreamRequest, hooks: Hooks): RunningHooks {
    const running = createHooks(connection, hooks, {
      shared,
      pacer,
      turns,
      shape: audience.intern(shapeOf(request)),
      keys: request.keys,
      buffer,
      ticker: request.mode === 'stream' ? ticker : null,
      onDrain: () => drained(connection),
      faults,
    })
    hooked.set(connection, running)
    running.start()
    return running
  }

  async function wakeOthers(): Promise<void> {
    const { epoch, n } = await payload().head()
    site.signal().raise({ epoch, n })
  }

  async function shutdown(): Promise<void> {
    subscribers.close()
    await responses.close()
    shared.close()
    await mailboxes.close()
    faults.close()
    pacer.close()
    await tailer.close()
  }

  return {
    open,
    accept: responses.accept,
    subscribe: subscribers.open,
    wake: tailer.wake,
    stats: () => countStreams({ responses, placeOf, subscribers, mailboxes, audience, tailer }),
    figures,
    handOver: responses.handOver,
    close: () => {
      closing ??= shutdown()
      return closing
    },
  }
}
