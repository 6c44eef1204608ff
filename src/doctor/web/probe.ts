import type { TLSSocket } from 'node:tls'
import { type Connected, connect } from './connect.js'
import type { Exchange } from './exchange.js'
import { exchange1 } from './http1.js'
import { type Session2, session2 } from './http2.js'
import { isSameSite, pathOf, type Target } from './target.js'

/** What all requests of one diagnosis share. */
export interface Client {
  /** Further headers, such as a cookie; never sent to another site than the one that was named. */
  readonly headers: Readonly<Record<string, string>>
  readonly site: URL
  readonly insecure: boolean
  /** When to open no more connections, by the monotonic clock. */
  readonly until: number
}

/** One request on a connection of its own. */
export interface Probe {
  readonly target: Target
  readonly connected: Connected
  readonly exchange: Exchange
}

export interface Asking {
  readonly method?: 'GET' | 'HEAD'
  /** What the client can decode. Default: as a browser. */
  readonly encoding?: string
  readonly lastEventId?: string
  /** Default: as EventSource. */
  readonly accept?: string
}

const BROWSER = 'gzip, deflate, br'
const AGENT = 'file-signal-doctor'

/** Sends one request over HTTP/1.1. Throws ConnectFault. */
export async function ask(client: Client, target: Target, asking: Asking = {}): Promise<Probe> {
  const connected = await connect(target, {
    alpn: ['http/1.1'],
    insecure: client.insecure,
    until: client.until,
  })
  const exchange = exchange1(connected.socket, {
    method: asking.method ?? 'GET',
    path: pathOf(target),
    headers: { Host: target.url.host, ...headersOf(client, target, asking) },
  })
  return { target, connected, exchange }
}

/** Offers HTTP/2; null where the server does not take it. Throws ConnectFault. */
export async function open2(client: Client, target: Target): Promise<Session2 | null> {
  const { socket, alpn } = await connect(target, {
    alpn: ['h2', 'http/1.1'],
    insecure: client.insecure,
    until: client.until,
  })
  if (alpn === 'h2') return session2(socket as TLSSocket, target.url)
  socket.destroy()
  return null
}

/** What a browser's EventSource sends, as far as layers look at it. */
export function headersOf(
  { headers, site }: Client,
  { url }: Target,
  { encoding, lastEventId, accept }: Asking,
): Record<string, string> {
  return {
    'User-Agent': AGENT,
    Accept: accept ?? 'text/event-stream',
    'Accept-Encoding': encoding ?? BROWSER,
    'Cache-Control': 'no-cache',
    ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
    ...(isSameSite(url, site) ? headers : {}),
  }
}
