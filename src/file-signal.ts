import { attempt } from './attempt.js'
import { shared } from './commons.js'
import { FileSignalError, messageOf } from './errors.js'
import { type Cursor, formatId, type Hint } from './event.js'
import { createHealth } from './health.js'
import type { HydrateMode } from './hook-options.js'
import { clientOf } from './http/client-address.js'
import type { Keys } from './http/keys.js'
import {
  createKoaRoutes,
  createKoaStream,
  type KoaBase,
  type KoaContext,
  type KoaMiddleware,
  type KoaRoutes,
  type KoaRoutesOptions,
} from './http/koa.js'
import { createHandler, type NodeContext, type NodeHandler, type NodeRequest } from './http/node.js'
import { createKoaSource, createSourceHandler, type SourceOf } from './http/source.js'
import { createInspector, type InspectorOptions } from './inspector/router.js'
import { createMetrics, type MetricsOptions } from './metrics/router.js'
import { fn } from './option-values.js'
import { type FileSignalOptions, type StreamOptions, validateOptions } from './options.js'
import { createPanel } from './panel.js'
import { createPaths, projectAbove } from './paths.js'
import type { PayloadEngine, PruneResult } from './payload/engine.js'
import { sqlite } from './payload/sqlite/store.js'
import {
  createPublisher,
  type EndOptions,
  type Receipt,
  type SignalCall,
  type SignalEntry,
} from './publisher.js'
import { createReport } from './report.js'
import { callSafely, guarded } from './safe-call.js'
import type { SignalEngine } from './signal/engine.js'
import { fileSignal } from './signal/file.js'
import { memorySignal } from './signal/memory.js'
import type { SourceOptions } from './source-options.js'
import { createStats, type FileSignalStats } from './stats.js'
import { createStreams } from './stream/streams.js'
import type { SubscribeOptions, Subscriber } from './stream/subscribe.js'
import { createTransactions, type Settled } from './transaction.js'
import { endLost } from './writer/lost.js'
import { createWriters, type EventWriter, type WriterOptions } from './writer/writer.js'

/** One instance: a store, a way to wake, and the streams of this process. */
export interface FileSignal extends AsyncDisposable {
  /**
   * Publishes one event. With SQLite and a free store the row is committed before the call returns.
   *
   * Rejects with KEY_INVALID, EVENT_INVALID, DEDUPE_INVALID, PAYLOAD_INVALID, PAYLOAD_TOO_LARGE,
   * OPTION_INVALID, or a STORE_ code; then nothing was stored. A wake-up that fails rejects nothing.
   */
  signal(...call: SignalCall): Promise<Receipt>
  /**
   * Publishes many in one transaction with one wake-up: all of them, or none. At most 10,000 entries and 16 MiB of
   * payloads, else BATCH_TOO_LARGE: more would hold the event loop.
   */
  signalMany(entries: readonly SignalEntry[]): Promise<Receipt[]>
  /**
   * Ends a key: its streams get `[DONE]` and close, reconnects get 204, until the next `signal(key)`. With a
   * `reason` they get it first, as the data of an `end` event.
   */
  end(key: string, options?: EndOptions): Promise<Receipt>
  /**
   * Runs a synchronous function in one transaction: what it writes into the application's database (given as
   * `sqlite({ database })`) and what it publishes is committed together, or not at all; then readers are woken.
   *
   * It runs at once where the database is free, and when it is its turn otherwise. Resolves with what it returns,
   * rejects with what it throws, with a TRANSACTION_ code, or as `signal` does; also where a `signal` in it fails.
   */
  transaction<T>(work: () => Settled<T>): Promise<T>
  /** Koa middleware that streams the events of `keys`. */
  stream<Context extends KoaBase = KoaBase, Mode extends HydrateMode = 'each'>(
    keys: Keys<Context & KoaContext>,
    options?: StreamOptions<Context & KoaContext, Context & KoaContext, Mode>,
  ): KoaMiddleware<Context>
  /** The same for node:http, Express and Fastify (on the raw request and response). */
  handler<Request extends NodeRequest = NodeRequest, Mode extends HydrateMode = 'each'>(
    keys: Keys<Request>,
    options?: StreamOptions<Request, NodeContext<Request>, Mode>,
  ): NodeHandler<Request>
  /**
   * Koa middleware that streams what `source` gives: a callback asked every so often, or an async iterable read to its
   * end. Nothing is stored. See docs/sources.md.
   */
  streamFrom<Context extends KoaBase = KoaBase, Share extends boolean = false>(
    source: SourceOf<Context & KoaContext, Share>,
    options?: SourceOptions<Context & KoaContext, Share>,
  ): KoaMiddleware<Context>
  /** The same for node:http, Express and Fastify; the function's context is `{ req, res }`. */
  handlerFrom<Request extends NodeRequest = NodeRequest, Share extends boolean = false>(
    source: SourceOf<NodeContext<Request>, Share>,
    options?: SourceOptions<Request, Share>,
  ): NodeHandler<Request>
  /**
   * A @koa/router Router: `/stream/KEY.sse`, `/stream.sse?key=A&key=B`, and `/sse/stream` for what the environment
   * variable SSE_EVENTS lists. `authorize` is required. `/sse-client.js`, the browser client, is for everybody.
   */
  routes<Context extends KoaBase = KoaBase, Mode extends HydrateMode = 'each'>(
    options: KoaRoutesOptions<Context & KoaContext, Mode>,
  ): KoaRoutes
  /**
   * The id of the newest event of any key, for a page that is rendered here: it listens after this id, and misses nothing
   * of what comes while it loads. Ask for it before you read the state that the page shows. Rejects with a STORE_ code.
   */
  cursor(): Promise<string>
  /**
   * A @koa/router Router with one page, at `/inspector/`, that shows what goes on: streams, keys, latency, the newest
   * events. `authorize` is required. See docs/inspector.md.
   */
  inspector<Context extends KoaBase = KoaBase>(options: InspectorOptions<Context & KoaContext>): KoaRoutes
  /**
   * A @koa/router Router with `GET /metrics`: the figures of `stats()` for Prometheus, by prom-client. `authorize` is
   * required. See docs/figures.md.
   */
  metrics<Context extends KoaBase = KoaBase>(options: MetricsOptions<Context & KoaContext>): KoaRoutes
  /** The events after the call, or after the id `after`, as an async iterable; throws CURSOR_LOST where a stream would reset. */
  subscribe(keys: string | readonly string[], options?: SubscribeOptions): Subscriber
  /**
   * A WritableStream whose chunks become events of `key` and whose end ends it, also after this process has died:
   * a lease that nobody renews is noticed by whoever streams the key. Throws KEY_INVALID, EVENT_INVALID,
   * OPTION_INVALID; the stream errors with WRITER_TAKEN, WRITER_LOST, WRITER_UNSUPPORTED, or as `signal()` rejects.
   */
  writer(key: string, options?: WriterOptions): EventWriter
  /** Deletes what retention no longer keeps, after ending the keys of writers that have died; both also happen by themselves. */
  prune(onProgress?: (progress: PruneResult) => void): Promise<PruneResult>
  stats(): Promise<FileSignalStats>
  /** Ends the streams, finishes waiting calls, lets go of every file. Idempotent. */
  close(): Promise<void>
}

/**
 * Creates an instance. Does no I/O: files are made, found and opened at first use.
 *
 * Throws OPTION_INVALID. An event's way: publisher → payload engine → signal engine → (another process)
 * → tailer → streams.
 */
export function createFileSignal(options: FileSignalOptions = {}): FileSignal {
  const settings = validateOptions(options, process.env)
  const health = createHealth(createReport(settings.onError))
  const { report, recovered } = health
  const paths = createPaths(settings)
  const { mode, group, retention } = settings
  let closing: Promise<void> | null = null

  /** The row is safe: wake the other processes, and the readers of this one. */
  function onCommit(head: Cursor): void {
    // An engine of the application's may be async, and fail by a promise.
    callSafely(() => signal().raise(head), signalThrew)
    streams.wake('local')
  }

  function signalThrew(cause: unknown): void {
    report(new FileSignalError('SIGNAL_FAILED', `the signal engine failed (${messageOf(cause)})`, { cause }))
  }

  /** A hint is never worth more than the row: what is none, or threw, is no hint. */
  function newestSignal(): Hint | null {
    let newest: Hint | null = null
    callSafely(() => {
      const given = signal().newest?.() ?? null
      if (given !== null && Number.isSafeInteger(given.n)) newest = given
      return given
    }, signalThrew)
    return newest
  }

  const payload = lazily((): PayloadEngine => {
    panel.used(true)
    const create = settings.payload ?? sqlite()
    return create({
      database: paths.database,
      mode,
      group,
      root: projectAbove(paths, paths.database),
      retention,
      newestSignal,
      onCommit,
      report,
      recovered,
    })
  })
  const signal = lazily((): SignalEngine => {
    // Rows that no other process sees need no file to wake it.
    const create = settings.signal ?? (payload().shared ? fileSignal() : memorySignal())
    const root = projectAbove(paths, paths.signalFile)
    return create({ signalFile: paths.signalFile, mode, group, root, report, recovered })
  })
  const open = <T>(part: () => T): T => {
    if (closing) throw new FileSignalError('CLOSED', 'this instance was closed')
    return part()
  }

  function onStreaming(streaming: boolean): void {
    // Streams of sources alone open no store, and are to be finished before a panel ends this process all the same.
    if (streaming && !closing) panel.used(true)
    panel.watch(streaming)
  }

  const streams = createStreams({
    payload,
    signal,
    settings,
    report,
    recovered,
    onStreaming,
    addressOf: clientOf,
  })
  const panel = createPanel({
    root: () => attempt(() => paths.root().path),
    given: settings.root,
    onRestart: streams.handOver,
    close: () => close(),
  })
  const transactions = createTransactions(() => open(payload))
  const { payloadLimit } = settings
  const publisher = createPublisher({ payload: () => open(payload), payloadLimit, transactions })
  const writers = createWriters({ payload, payloadLimit })
  const http = { streams, settings, report }
  // Said in code, so it beats what the environment says of its stream.
  const duration = options.duration === undefined ? {} : { duration: options.duration }

  async function cursor(): Promise<string> {
    const { epoch, n } = await open(payload).head()
    return formatId(epoch, n)
  }

  const statsOf = createStats({ settings, paths, payload, signal, streams, health })
  const stats = async () => statsOf(await open(payload).stats())

  async function prune(onProgress?: (progress: PruneResult) => void): Promise<PruneResult> {
    const tell = guarded('onProgress', fn(onProgress, 'onProgress'), report)
    const { ended } = await endLost(open(payload))
    await ended
    return payload().prune(tell)
  }

  async function closeAll(): Promise<void> {
    await Promise.all([writers.close(), streams.close()])
    try {
      await payload.made?.close()
    } finally {
      await signal.made?.close()
      panel.used(false)
    }
  }

  const close = (): Promise<void> => {
    closing ??= closeAll()
    return closing
  }

  return {
    ...publisher,
    transaction: transactions.run,
    stream: (keys, streamOptions) => createKoaStream(http, keys, streamOptions),
    handler: (keys, streamOptions) => createHandler(http, keys, streamOptions),
    streamFrom: (source, sourceOptions) => createKoaSource(http, source, sourceOptions),
    handlerFrom: (source, sourceOptions) => createSourceHandler(http, source, sourceOptions),
    routes: (routesOptions) => createKoaRoutes(http, { ...duration, ...routesOptions }),
    inspector: (inspectorOptions) =>
      createInspector({ ...http, payload: () => open(payload), statsOf }, inspectorOptions),
    metrics: (metricsOptions) =>
      createMetrics({ streams, health, payload: () => open(payload) }, metricsOptions),
    subscribe: (keys, subscribeOptions) => open(() => streams.subscribe(keys, subscribeOptions)),
    writer: (key, writerOptions) => open(() => writers.open(key, writerOptions)),
    cursor,
    prune,
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Publishes one event with the default instance: zero configuration. See `FileSignal.signal`. All copies of this package
 * in the process have one default instance.
 */
export async function signal(...call: SignalCall): Promise<Receipt> {
  return shared('instance', createFileSignal).signal(...call)
}

interface Lazy<T> {
  (): T
  /** The thing, where it was made already. */
  made: T | null
}

function lazily<T>(make: () => T): Lazy<T> {
  const get: Lazy<T> = () => {
    get.made ??= make()
    return get.made
  }
  get.made = null
  return get
}
