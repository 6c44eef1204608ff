import type { Cursor } from '../../event.js'
import type { Row } from '../../payload/engine.js'
import type { Batch } from '../batch.js'
import type { Connection } from '../connection.js'
import { encodeFrame, encodeSkip, type Shape } from '../frame.js'
import type { Sink } from '../sink.js'
import type { Ticking } from '../ticker.js'
import type { HydratedFrame, Hydrator } from './hydrator.js'
import type { Pacer } from './pacer.js'
import type { Turns } from './turns.js'

/** A sink that stands before a connection, and lets a hook decide what each event looks like. */
export interface HydratingSink extends Sink, Ticking {
  /** The connection has drained. */
  drained(): void
  /**
   * Moves the client past what was dropped last, where nothing that was sent did: else it would get that again when it
   * comes back, or a reset where that is gone by then. Empty where it stands there already.
   */
  lastWords(): string
  /** The connection has ended: the hook is called no more. Idempotent. */
  close(): void
}

export interface HydrationSite {
  readonly pacer: Pacer
  readonly turns: Turns
  readonly shape: Shape
  /** Bytes of payload that may wait for the hook before a live subscription falls behind. */
  readonly buffer: number
  /** Nothing waits any more, neither for the hook nor for the socket. */
  readonly onDrain: () => void
}

/** A row that its hook was asked for; `frame` is null until it has answered. */
interface Asked {
  readonly row: Row
  readonly epoch: string
  frame: HydratedFrame | null
}

/** Events that may wait for the hook before a live subscription falls behind. */
const WAITING = 256

/** Milliseconds between two words to the client on what was dropped; a ticker ticks four times in the finest time. */
const TOLD_EVERY = 1000

/**
 * How many times as much may wait for its turn. Of what came live, streams hold the same rows, so that is cheap; where
 * they fell behind each would read its own, and a burst would take several times as long.
 */
const PATIENCE = 32

/** Bytes of frames that are collected before they are written. */
const PIECE = 64 * 1024

/**
 * Sends events one after another, each as its hook made it. To its subscription it behaves like a socket: while
 * something waits it asks for no more, so a slow hook and a slow client cost the same. A client that does not
 * read stops the hook, too.
 *
 * Resets and ends keep their place among the events.
 */
export function createHydration(
  connection: Connection,
  hydrator: Hydrator,
  site: HydrationSite,
): HydratingSink {
  /** Batches, and what comes between them. */
  const waiting: (Batch | (() => void))[] = []
  /** Place in the first batch. */
  let next = 0
  let rows = 0
  let bytes = 0
  /** In order: what is answered waits for what stands before it. */
  const asked: Asked[] = []
  /** Frames to be written in one piece. */
  let frames: Buffer[] = []
  let collected = 0
  /** Where the client does not stand yet. */
  let skipped: Cursor | null = null
  let running = false
  /** True where it waits for nothing but its turn. */
  let queued = false
  let writable = true
  let closed = false

  const isEmpty = () => waiting.length === 0 && asked.length === 0 && frames.length === 0
  const isIdle = () => isEmpty() && writable && !closed

  /** `write` sends what is ready by then; without it that is left to the pacer. */
  function run(write: boolean): void {
    if (running || closed) return
    running = true
    try {
      while (writable && !closed) {
        const [first] = asked
        if (first?.frame) {
          asked.shift()
          collect(first.frame, first)
        } else if (!canStep()) break
        else if (site.turns.hasTime()) step()
        else {
          queued = true
          site.turns.later(resume)
          break
        }
      }
      if (write) flush()
    } catch (error) {
      connection.fail(error)
    }
    running = false
    if (!isIdle()) return
    connection.caughtUp()
    site.onDrain()
  }

  const runAndWrite = () => run(true)

  function resume(): void {
    queued = false
    run(false)
    // Each event by itself would cost more to write than to make.
    if (frames.length > 0) site.pacer.request(runAndWrite)
  }

  function canStep(): boolean {
    if (waiting.length === 0 || asked.length >= hydrator.ahead) return false
    return asked.length === 0 || typeof waiting[0] !== 'function'
  }

  function step(): void {
    const [first] = waiting
    if (typeof first === 'function') {
      waiting.shift()
      flush()
      first()
    } else if (first) hydrate(first)
  }

  function hydrate(batch: Batch): void {
    const row = batch.sent[next]
    if (!row) {
      waiting.shift()
      next = 0
      return
    }
    next += 1
    rows -= 1
    bytes -= row.payload.length
    const own: Asked = { row, epoch: batch.epoch, frame: null }
    asked.push(own)
    const take = (frame: HydratedFrame) => {
      own.frame = frame
      if (running || own !== asked[0]) return
      // What was waited for does not wait for what comes next: that is asked for while this is written.
      site.pacer.request(runAndWrite)
      run(false)
    }
    if (row.kind === 'end') take(Buffer.from(encodeFrame(row, batch.epoch, site.shape)))
    else hydrator.ask(row, batch.epoch, take)
  }

  function collect(frame: HydratedFrame, { row, epoch }: Asked): void {
    if (typeof frame === 'string') skipped = { epoch, n: row.n }
    else {
      skipped = null
      frames.push(frame)
      collected += frame.length
    }
    if (collected >= PIECE) flush()
  }

  function flush(): void {
    const ready = frames
    if (ready.length === 0) return
    frames = []
    collected = 0
    writable = connection.send(hydrator.join(ready), ready.length)
  }

  function lastWords(): string {
    const text = skipped && frames.length === 0 ? encodeSkip(skipped) : ''
    if (text) skipped = null
    return text
  }

  function enqueue(item: Batch | (() => void)): void {
    waiting.push(item)
    run(true)
  }

  return {
    isFull: () => {
      const times = queued ? PATIENCE : 1
      return rows >= WAITING * times || bytes >= site.buffer * times || connection.isFull()
    },
    write: (batch) => {
      rows += batch.sent.length
      for (const row of batch.sent) bytes += row.payload.length
      enqueue(batch)
      return isIdle()
    },
    caughtUp: () => enqueue(connection.caughtUp),
    // Both bring an id of their own.
    reset: (reason, cursor) =>
      enqueue(() => {
        skipped = null
        connection.reset(reason, cursor)
      }),
    done: (cursor, last) =>
      enqueue(() => {
        skipped = null
        connection.done(cursor, last)
      }),
    fail: connection.fail,
    finest: TOLD_EVERY * 4,
    // Not for each: a hook that drops most events on a busy key would write as much as one that drops none.
    tick: () => {
      if (!writable || !skipped) return
      const text = lastWords()
      if (text) writable = connection.send(text)
    },
    lastWords,
    drained: () => {
      writable = true
      run(true)
    },
    close: () => {
      closed = true
      waiting.length = 0
      asked.length = 0
      frames = []
      site.pacer.cancel(runAndWrite)
      site.turns.cancel(resume)
      hydrator.cancel()
    },
  }
}
