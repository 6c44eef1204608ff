import type { Outgoing } from './outgoing.js'

/**
 * What a stream must send so that the layers in front of it pass on each event at once: with this alone
 * most hosts need no configuration. The whole list is here, each with the layer that taught it.
 *
 * - `Content-Type: text/event-stream`: Caddy and others flush by it; EventSource takes nothing else.
 * - `X-Accel-Buffering: no`: nginx collects 4 KB before it passes on a byte, the headers included. It
 *   keeps this header to itself, so of two nginx the inner one must be told to pass it on.
 * - `Cache-Control: no-transform`: keeps compression off in middleware and at Cloudflare; `ctx.compress = false`
 *   says it to Koa's. `no-store` keeps caches from collecting an answer that has no end.
 * - No Content-Length, Content-Encoding or validators: they speak of a body that is known.
 * - The prelude, in the first tick: nginx keeps the headers of an HTTP/2 response until the first byte of
 *   its body, and so do some development servers; Apache's mod_deflate keeps the first 68 bytes even where
 *   it is told to leave the response alone. So 128 bytes at least, before anything else is known.
 * - `retry:`, drawn at random: or every browser comes back in the same moment after a restart.
 * - `ready`, an event and no comment: a page sees by it that nothing holds its stream back, and learns its
 *   first cursor.
 * - A heartbeat: proxies cut a silent response after 60 s (nginx), 100 s (Cloudflare) or less, and Apache
 *   learns only by writing that a client has left.
 *
 * Where none of this helps, responses that end do: see `short.ts`.
 */
const HEADERS = Object.freeze({
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  'X-Content-Type-Options': 'nosniff',
})

/**
 * Of a body with a known length or another coding; a stream has neither. Not Transfer-Encoding: removed
 * once, node:http never sends chunks again on this response.
 */
const FOREIGN_HEADERS = ['Content-Length', 'Content-Encoding', 'ETag', 'Last-Modified']

const PADDING = `:${' '.repeat(160)}\n`

/** The comment line of a silent stream. With a blank line after it some clients emit empty messages. */
export const HEARTBEAT = Buffer.from(':\n')

/**
 * Writes the head of a stream, and leaves the headers that others have set, such as cookies and CORS.
 * With setHeader() each response would keep a table of them: half a KiB for as long as the stream lasts.
 * `more` are headers of this response's own.
 */
export function writeStreamHead(response: Outgoing, more: Readonly<Record<string, string>> = {}): void {
  for (const name of FOREIGN_HEADERS) response.removeHeader(name)
  response.writeHead(200, { ...HEADERS, ...more })
}

/** What leaves before anything is known: padding in a comment, and a `retry:` drawn from the range. */
export function encodePrelude(range: readonly [number, number]): string {
  return PADDING + encodeRetry(range)
}

/** How long the client waits before it comes back: drawn from a range of milliseconds. */
export function encodeRetry([least, most]: readonly [number, number]): string {
  return `retry: ${Math.max(1, Math.round(least + Math.random() * (most - least)))}\n`
}

/** Koa's compression middleware asks this first, and keeps back what it compresses. */
export function keepUncompressed(ctx: { compress?: unknown }): void {
  ctx.compress = false
}
