import { performance } from 'node:perf_hooks'
import type { StreamSettings } from '../options.js'
import { type Connection, type ConnectionSite, createConnection, type Tally } from './connection.js'
import { isPipelined, type Outgoing } from './outgoing.js'
import type { StreamRequest } from './request.js'
import { createShortConnection, SHORT_RETRY } from './short.js'
import type { Ticker } from './ticker.js'

/** What feeds a response from elsewhere than the store. */
export interface Feed {
  /** The socket takes more again. */
  drained(): void
  /** The response has ended, or its client has gone. May be told twice. */
  left(): void
}

/** The responses of one instance: how they come, how long they may stay, and how they go. */
export interface Responses {
  /** Those that are not gone. */
  readonly all: ReadonlySet<Connection>
  /** Counts since the start, with those that are gone. */
  totals(): ResponseTotals
  /** Takes one that the store is to feed; it is not open where its client has gone. */
  connect(request: StreamRequest): Connection
  /** Opens one that `feed` fills. Null where there is nothing to fill: gone, or ended at once. */
  accept(response: Outgoing, plan: StreamSettings, feed: Feed): Connection | null
  /** True where it is to get no stream: it waits behind another one, or this instance closes. */
  isRefused(response: Outgoing): boolean
  /** Ends all. Who comes back here too soon gets a brief one. */
  handOver(): void
  /** Ends all and refuses new ones. Resolves when each socket has ended, or was destroyed. */
  close(): Promise<void>
}

/** `sent` is in bytes, `events` in frames of events: each once per response. */
export interface ResponseTotals {
  readonly opened: number
  readonly closed: number
  readonly events: number
  readonly sent: number
}

/** The callbacks are those of responses that the store feeds. */
export interface ResponsesSite extends Omit<ConnectionSite, 'kind' | 'tally'> {
  readonly ticker: Ticker
  /** Told when the first response opens, and when the last one is gone. */
  readonly onStreaming: (streaming: boolean) => void
}

/** After a hand-over: how long clients may still find this process, and how long their streams last here. */
const TAKING_OVER = 30_000
const BRIEF = 10_000

export function createResponses({ ticker, onStreaming, ...site }: ResponsesSite): Responses {
  const all = new Set<Connection>()
  const tally: Tally = { events: 0 }
  let opened = 0
  /** Bytes of those that are gone. */
  let gone = 0
  const connectionSite: ConnectionSite = {
    ...site,
    kind: 'stream',
    tally,
    onClose: (connection) => {
      site.onClose(connection)
      leave(connection)
    },
  }
  let closing = false
  let onEmpty = () => {}
  let handedOverAt = Number.NEGATIVE_INFINITY

  function connect(request: StreamRequest): Connection {
    const connection = createFed(request)
    if (connection.isOpen()) enter(connection)
    return connection
  }

  function createFed({ response, plan, mode, lastEventId }: StreamRequest): Connection {
    const settings = settingsOf(plan)
    if (mode === 'stream') return createConnection(response, settings, connectionSite)
    // It is not asked for again and again: what follows is a stream.
    if (mode === 'now') return createShortConnection(response, settings, connectionSite, true, plan.retry)
    // The first cursor is news, but not of a mailbox.
    const wait = lastEventId !== null || plan.deliver === 'once'
    return createShortConnection(response, settings, connectionSite, wait, SHORT_RETRY)
  }

  function accept(response: Outgoing, plan: StreamSettings, feed: Feed): Connection | null {
    const connection = createConnection(response, settingsOf(plan), {
      kind: 'source',
      tally,
      buffer: site.buffer,
      lastWords: () => '',
      onDrain: feed.drained,
      onEnd: feed.left,
      onClose: (own) => {
        feed.left()
        leave(own)
      },
      onFault: site.onFault,
    })
    if (!connection.isOpen()) return null
    enter(connection)
    if (isRefused(response)) connection.end()
    else connection.open()
    return connection.isOpen() ? connection : null
  }

  function settingsOf(plan: StreamSettings): StreamSettings {
    if (performance.now() - handedOverAt > TAKING_OVER) return plan
    return { ...plan, duration: Math.min(plan.duration, BRIEF) }
  }

  function isRefused(response: Outgoing): boolean {
    return closing || isPipelined(response)
  }

  function enter(connection: Connection): void {
    all.add(connection)
    opened += 1
    if (all.size === 1) onStreaming(true)
    ticker.add(connection)
  }

  function leave(connection: Connection): void {
    all.delete(connection)
    gone += connection.measure().sent
    ticker.delete(connection)
    if (all.size > 0) return
    onStreaming(false)
    onEmpty()
  }

  function endAll(): void {
    for (const connection of all) connection.end()
  }

  function totals(): ResponseTotals {
    let sent = gone
    for (const connection of all) sent += connection.measure().sent
    return { opened, closed: opened - all.size, events: tally.events, sent }
  }

  return {
    all,
    totals,
    connect,
    accept,
    isRefused,
    handOver: () => {
      handedOverAt = performance.now()
      endAll()
    },
    close: async () => {
      closing = true
      const emptied = new Promise<void>((resolve) => {
        onEmpty = resolve
      })
      endAll()
      if (all.size > 0) await emptied
    },
  }
}
