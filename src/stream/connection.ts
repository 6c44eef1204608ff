import { performance } from 'node:perf_hooks'
import type { Writable } from 'node:stream'
import type { Cursor } from '../event.js'
import type { StreamSettings } from '../options.js'
import { encodeDone, encodePrelude, encodeReady, encodeReset, HEARTBEAT } from './frame.js'
import type { Sink } from './sink.js'
import type { Ticking } from './ticker.js'

/** What a stream uses of a response, from node:http or the compatibility API of node:http2. */
export interface Outgoing extends Writable {
  statusCode: number
  readonly headersSent: boolean
  /** Null where another response of the same socket is not finished: the request was pipelined. */
  readonly socket: object | null
  writeHead(status: number, headers: Record<string, string>): unknown
  setHeader(name: string, value: string | number | readonly string[]): unknown
  removeHeader(name: string): void
}

/** One response as the sink of a subscription. */
export interface Connection extends Sink, Ticking {
  /** False once it has ended, or its client has gone. */
  isOpen(): boolean
  /** Bytes that wait to be sent. */
  waiting(): number
  /** Sends headers and prelude, and `ready` where the cursor is known. */
  open(cursor: Cursor | null): void
  /** Ends the response when all that waits has been sent, or destroys it 5 s later. Idempotent. */
  end(): void
  /** Leaves the response to others, who have nothing from here yet. */
  release(): void
}

export interface ConnectionSite {
  /** Bytes that may wait in the socket before a live subscription falls behind. */
  readonly buffer: number
  readonly onDrain: (connection: Connection) => void
  /** No more is to be written; the response may still be sending. */
  readonly onEnd: (connection: Connection) => void
  /** The response is gone. */
  readonly onClose: (connection: Connection) => void
  /** A fault of this stream's own, to be reported. */
  readonly onFault: (error: unknown) => void
}

/** How long a socket with waiting bytes may take none of them, and how long after the end it may still be sending. */
const STALLED = 60_000
const LINGERING = 5000

/** `no-transform` keeps compression middleware off, which would hold back every event. */
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

/**
 * Writes the head of a stream, and leaves the headers that others have set, such as cookies and CORS.
 * With setHeader() each response would keep a table of them: half a KiB for as long as the stream lasts.
 */
export function writeStreamHead(response: Outgoing): void {
  for (const name of FOREIGN_HEADERS) response.removeHeader(name)
  response.writeHead(200, HEADERS)
}

/** True where the client has gone already, in either HTTP version: then 'close' will not come any more. */
export function isGone(response: Outgoing): boolean {
  if (response.destroyed || response.closed || response.writableEnded) return true
  return 'stream' in response && isDestroyed(response.stream)
}

/**
 * True where the response must wait for another one on its socket. A client that leaves is told to that
 * other response alone, so a stream here would never learn of it. No browser sends such requests.
 */
export function isPipelined(response: Outgoing): boolean {
  return !('stream' in response) && response.socket === null
}

export function createConnection(response: Outgoing, plan: StreamSettings, site: ConnectionSite): Connection {
  const endsAt = performance.now() + plan.duration * (0.8 + Math.random() * 0.2)
  let state: 'new' | 'open' | 'ending' | 'closed' = isGone(response) ? 'closed' : 'new'
  let wroteAt = 0
  let endedAt = 0
  // Bytes handed over, and bytes that the socket has taken at the last look.
  let handed = 0
  let taken = 0
  let takenAt = 0
  let writable = true

  function write(data: Buffer | string): boolean {
    if (state !== 'open' || data.length === 0) return false
    wroteAt = performance.now()
    handed += data.length
    const drained = writable
    writable = response.write(data)
    if (drained && !writable) takenAt = wroteAt
    return writable
  }

  function isStalled(now: number): boolean {
    if (writable) return false
    const total = handed - response.writableLength
    if (total > taken) takenAt = now
    taken = total
    return now - takenAt >= STALLED
  }

  function end(): void {
    connection.open(null)
    if (!connection.isOpen()) return
    state = 'ending'
    endedAt = performance.now()
    response.end()
    site.onEnd(connection)
  }

  function close(): void {
    if (state === 'closed') return
    state = 'closed'
    site.onClose(connection)
  }

  function release(): void {
    response.off('close', close)
    response.off('drain', drain)
    response.off('error', ignore)
    close()
  }

  /** A response without a socket is destroyed in silence: 'close' is not to be waited for. */
  function drop(): void {
    response.destroy()
    close()
  }

  function drain(): void {
    writable = true
    site.onDrain(connection)
  }

  const connection: Connection = {
    finest: Math.min(plan.heartbeat, plan.duration),
    isOpen: () => state === 'new' || state === 'open',
    // Only a response that has refused more will tell when it has drained.
    isFull: () => !writable && response.writableLength > site.buffer,
    waiting: () => (state === 'closed' ? 0 : response.writableLength),
    open: (cursor) => {
      const ready = cursor ? encodeReady(cursor, plan.heartbeat) : ''
      if (state === 'open') write(ready)
      if (state !== 'new') return
      try {
        writeStreamHead(response)
        state = 'open'
        write(encodePrelude(between(plan.retry)) + ready)
      } catch (error) {
        // Somebody else has answered meanwhile, and the response is theirs.
        site.onFault(error)
        release()
      }
    },
    write: (batch) => write(batch.bytes()),
    reset: (reason, cursor) => void write(encodeReset(reason, cursor)),
    done: (cursor) => {
      write(encodeDone(cursor))
      end()
    },
    fail: (error) => {
      site.onFault(error)
      end()
    },
    end,
    release,
    tick: (now, step) => {
      if (state === 'ending') {
        if (now - endedAt >= LINGERING) drop()
      } else if (isStalled(now)) drop()
      else if (now >= endsAt) end()
      else if (writable && now + step > wroteAt + plan.heartbeat) write(HEARTBEAT)
    },
  }
  if (state === 'new') {
    // 'close' of the request may never come once its body was read.
    response.on('close', close)
    response.on('drain', drain)
    response.on('error', ignore)
  }
  return connection
}

/** A broken socket is closed as well, and that is what counts. */
function ignore(): void {}

function between([least, most]: readonly [number, number]): number {
  return least + Math.random() * (most - least)
}

function isDestroyed(stream: unknown): boolean {
  return typeof stream === 'object' && stream !== null && 'destroyed' in stream && stream.destroyed === true
}
