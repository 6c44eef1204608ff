/**
 * A cell of the matrix: one chain of real web servers in one form, with the real package behind it.
 *
 *     import { cells } from './cells.js'
 *     import { needServers } from './need-servers.js'
 *
 *     for (const cell of cells) {
 *       it(`says of ${cell.name} what was measured`, async function () {
 *         needServers(this, cell)                    // skips out loud, or fails in CI, where a program is missing
 *         const running = await cell.start()
 *         try {
 *           running.streamUrl('orders')              // 'http://127.0.0.1:40123/stream/orders.sse'
 *           running.root                             // the app's project root, where a publisher must signal
 *           running.user                             // whom it belongs to: spawn(…, { ...running.user })
 *           running.ca                               // for https: the certificate to trust, as PEM, else undefined
 *         } finally {
 *           await running.stop()
 *         }
 *       })
 *     }
 *
 * Any key may be streamed, at `/stream/KEY.sse` and `/sse/KEY`. Cells may run side by side, and those in front
 * of a port share one app, so give each test a key of its own. A start takes from 0.3 s to 3 s (Passenger).
 * Servers run as www-data where the tests run as root; their files are in a temp folder, all ports on the loopback.
 */
export interface Cell {
  /** Unique, for titles and the table: `nginx → nginx: default`. */
  readonly name: string
  /** The servers from the browser's side to the app's, e.g. `['nginx', 'Apache']`; Passenger is one of them. */
  readonly layers: readonly Layer[]
  readonly form: Form
  /** 2 is HTTP/2 over TLS. */
  readonly http: 1 | 2
  readonly expects: Expectation
  /** True where live events come, but nothing to a browser that is back after having missed some. */
  readonly holdsReplay?: boolean
  /** What about the form makes it so, in one sentence. */
  readonly why: string
  start(): Promise<RunningCell>
}

export type Layer = 'nginx' | 'Apache' | 'Passenger' | 'HAProxy' | 'Varnish' | 'Caddy' | 'lighttpd'

/** As installed; compressing everything, buffering, ignoring the app's headers; and that with our file. */
export type Form = 'default' | 'hostile' | 'ours'

/**
 * `streams`: each event within 15 ms. `delays`: every event arrives, but late by some 40 ms or more.
 * `buffers`: nothing arrives before some kilobytes have gathered, or before the stream ends.
 */
export type Expectation = 'streams' | 'delays' | 'buffers'

export interface RunningCell {
  /** The address of the outermost server, without a slash at its end. */
  readonly url: string
  readonly root: string
  readonly user: User
  readonly ca: string | undefined
  streamUrl(key: string): string
  /** How many streams of `key` Node holds open, as the app itself sees it. */
  openStreams(key: string): Promise<number>
  stop(): Promise<void>
}

/** Options of spawn(); empty where the tests do not run as root. */
export interface User {
  readonly uid?: number
  readonly gid?: number
}
