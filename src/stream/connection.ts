import { performance } from 'node:perf_hooks'
import type { StreamSettings } from '../options.js'
import { encodeDone, encodeReset } from './frame.js'
import { isGone, type OnFlushed, type Outgoing, onceClosed, whenFlushed } from './outgoing.js'
import type { Sink } from './sink.js'
import type { Ticking } from './ticker.js'
import { encodePrelude, HEARTBEAT, writeStreamHead } from './unbuffered.js'

/** One response as the sink of a subscription. */
export interface Connection extends Sink, Ticking {
  /** False once it has ended, or its client has gone. */
  isOpen(): boolean
  /** Looks at it, for the figures. */
  measure(): Measured
  /** Sends headers and prelude, and behind them `ready`, which is empty as long as the cursor is not known. */
  open(ready?: string): void
  /**
   * Writes what is encoded already. False: give no more until it has drained. `onFlushed` is told whether the system has
   * the bytes, unless the response goes first; a short answer leaves with them. `events` is how many
   * frames of events it holds, for the figures.
   */
  send(data: Buffer | string, events?: number, onFlushed?: OnFlushed): boolean
  /** Ends the response when all that waits has been sent, or destroys it 5 s later. Idempotent. */
  end(): void
  /** Leaves the response to others, who have nothing from here yet. */
  release(): void
}

/** A response at one moment: in one object, for each method costs every stream its share of memory. */
export interface Measured {
  readonly kind: 'stream' | 'short' | 'source'
  readonly state: 'opening' | 'open' | 'ending'
  /** When it began, or, once it is ending, when that was; as of performance.now(). */
  readonly since: number
  /** Bytes that wait to be sent. */
  readonly waiting: number
  /** Bytes handed over so far, those that wait among them. */
  readonly sent: number
  readonly response: Outgoing
}

/** Counts for all responses of an instance together. */
export interface Tally {
  /** Frames of events written. */
  events: number
}

export interface ConnectionSite {
  /** What feeds it: the store, or a source. */
  readonly kind: 'stream' | 'source'
  readonly tally: Tally
  /** Bytes that may wait in the socket before a live subscription falls behind. */
  readonly buffer: number
  readonly onDrain: (connection: Connection) => void
  /** Text that is still to be written when the response is about to end. */
  readonly lastWords: (connection: Connection) => string
  /** No more is to be written; the response may still be sending. */
  readonly onEnd: (connection: Connection) => void
  /** The response is gone. */
  readonly onClose: (connection: Connection) => void
  /** A fault of this stream's own, to be reported. */
  readonly onFault: (error: unknown) => void
}

/** How long after its end a response may still be sending. */
export const LINGERING = 5000

/** How long a socket with waiting bytes may take none of them. */
const STALLED = 60_000

/** A response that stays open until its duration is over, its keys have ended, or its client leaves. */
export function createConnection(response: Outgoing, plan: StreamSettings, site: ConnectionSite): Connection {
  let since = performance.now()
  const endsAt = since + plan.duration * (0.8 + Math.random() * 0.2)
  let state: 'new' | 'open' | 'ending' | 'closed' = isGone(response) ? 'closed' : 'new'
  let wroteAt = 0
  // Bytes handed over, and bytes that the socket has taken at the last look.
  let handed = 0
  let taken = 0
  let takenAt = 0
  let writable = true
  let letGo = () => {}

  function write(data: Buffer | string, events = 0, onFlushed?: OnFlushed): boolean {
    if (state !== 'open' || data.length === 0) return false
    site.tally.events += events
    wroteAt = performance.now()
    handed += data.length
    const drained = writable
    writable = onFlushed ? response.write(data, whenFlushed(response, onFlushed)) : response.write(data)
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
    connection.open()
    if (!connection.isOpen()) return
    write(site.lastWords(connection))
    state = 'ending'
    since = performance.now()
    response.end()
    site.onEnd(connection)
  }

  function close(): void {
    if (state === 'closed') return
    state = 'closed'
    site.onClose(connection)
  }

  function release(): void {
    letGo()
    response.off('drain', drain)
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
    measure: () => ({
      kind: site.kind,
      state: state === 'new' ? 'opening' : state === 'open' ? 'open' : 'ending',
      since,
      waiting: state === 'closed' ? 0 : response.writableLength,
      sent: handed,
      response,
    }),
    open: (ready = '') => {
      if (state === 'open') write(ready)
      if (state !== 'new') return
      try {
        writeStreamHead(response)
        state = 'open'
        write(encodePrelude(plan.retry) + ready)
      } catch (error) {
        // Somebody else has answered meanwhile, and the response is theirs.
        site.onFault(error)
        release()
      }
    },
    send: write,
    write: (batch) => write(batch.bytes(), batch.sent.length),
    caughtUp: () => {},
    reset: (reason, cursor) => void write(encodeReset(reason, cursor)),
    done: (cursor, last) => {
      if (last) connection.write(last)
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
        if (now - since >= LINGERING) drop()
      } else if (isStalled(now)) drop()
      else if (now >= endsAt) end()
      else if (writable && now + step > wroteAt + plan.heartbeat) write(HEARTBEAT)
    },
  }
  if (state === 'new') {
    letGo = onceClosed(response, close)
    response.on('drain', drain)
  }
  return connection
}
