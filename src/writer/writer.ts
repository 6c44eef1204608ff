import { createChunks } from '../chunks.js'
import { FileSignalError, quote } from '../errors.js'
import { checkEvent, checkKey, formatId } from '../event.js'
import type { AnyIterable } from '../iterable.js'
import { duration, refuseUnknown } from '../option-values.js'
import type { Duration } from '../options.js'
import type { PayloadEngine } from '../payload/engine.js'
import type { Receipt } from '../publisher.js'
import { REASONS } from '../reason.js'
import { createHeldKey } from './held-key.js'
import { checkIterable, pull } from './pull.js'

/** What `writer()` takes beside the key. */
export interface WriterOptions {
  /** Silence of this process after which it counts as dead, and readers are told. Default 30 s, 1 s to 1 h. */
  lease?: Duration
  /** SSE event name of every chunk. */
  event?: string | null
}

/**
 * A WritableStream whose chunks become events of one key, and whose end ends the key.
 *
 * A write resolves when its event is committed. Bytes are decoded as UTF-8, a text above the payload limit becomes
 * several events. What goes wrong errors the stream and is told to readers in an `end` event: `abort()` as
 * `aborted`, a chunk that cannot be stored as `failed`, a process that dies as `lost`.
 */
export interface EventWriter extends WritableStream<unknown> {
  readonly key: string
  /**
   * Writes every item and closes; resolves with the end's receipt. Rejects with what the source threw, and then the
   * key has ended as `failed`, or with what the writer itself met, and then the source is told to stop. What is
   * no iterable, text and bytes among it, fails like a source that throws, with OPTION_INVALID.
   * WRITER_USED where something else writes, or the writer has ended.
   */
  from(source: AnyIterable): Promise<Receipt>
}

/** All writers of one instance. */
export interface Writers {
  /** Throws KEY_INVALID, EVENT_INVALID and OPTION_INVALID at the call; the stream errors with the rest. */
  open(key: string, options?: WriterOptions): EventWriter
  /** Ends the keys of those that are open, as `aborted`, and errors their streams with CLOSED. */
  close(): Promise<void>
}

export interface WritersSite {
  readonly payload: () => PayloadEngine
  readonly payloadLimit: number
}

const SECOND = 1000
const DEFAULT_LEASE = 30 * SECOND
const LONGEST_LEASE = 3600 * SECOND

export function createWriters(site: WritersSite): Writers {
  const opened = new Set<() => Promise<unknown>>()

  function open(given: string, options: WriterOptions = {}): EventWriter {
    refuseUnknown(options, 'writer', ['lease', 'event'])
    const key = checkKey(given)
    const event = checkEvent(options.event)
    const lease = duration(options.lease, 'lease', SECOND, LONGEST_LEASE) ?? DEFAULT_LEASE
    const chunks = createChunks(site.payloadLimit)
    const held = createHeldKey({ payload: site.payload, key, event, lease, onLost: breakOff })
    const taken = held.take()
    let controller: WritableStreamDefaultController
    let aborted: string = REASONS.aborted
    let over = false
    const ended: { receipt?: Receipt } = {}

    const stream = new WritableStream<unknown>({
      start: (given) => {
        controller = given
        opened.add(shut)
        return taken.catch(leave)
      },
      write: async (chunk) => {
        await held.append(await encode(chunk)).catch(leave)
      },
      close: async () => {
        await held.append(chunks.flush()).catch(leave)
        await finish(null)
      },
      abort: () => finish(aborted),
    })

    async function encode(chunk: unknown): Promise<string[]> {
      try {
        return chunks.encode(chunk)
      } catch (error) {
        // What cannot be said now is noticed when the lease is over.
        await finish(REASONS.failed).catch(() => {})
        throw error
      }
    }

    async function finish(reason: string | null): Promise<void> {
      over = true
      opened.delete(shut)
      const { epoch, rows } = await held.end(reason)
      ended.receipt = { id: formatId(epoch, rows[0]?.n ?? 0), stored: true }
    }

    /** After an error the stream takes nothing more; what the store would not take is noticed as `lost`. */
    function leave(error: unknown): never {
      opened.delete(shut)
      held.letGo()
      throw error
    }

    function breakOff(error: FileSignalError): void {
      opened.delete(shut)
      held.letGo()
      controller.error(error)
    }

    async function shut(): Promise<void> {
      breakOff(new FileSignalError('CLOSED', 'this instance was closed'))
      await taken
      await held.end(REASONS.aborted)
    }

    async function from(source: AnyIterable): Promise<Receipt> {
      if (over || stream.locked) {
        const state = over ? 'has ended' : 'is in use'
        throw new FileSignalError('WRITER_USED', `the writer of key ${quote(key)} ${state}`)
      }
      const out = stream.getWriter()
      try {
        const items = checkIterable(source)
        await taken
        await pull(items, (item) => out.write(item), out.closed)
        await out.close()
        return ended.receipt as Receipt
      } catch (error) {
        aborted = REASONS.failed
        // Where the stream itself has failed there is nothing left to abort.
        await out.abort(error).catch(() => {})
        throw error
      } finally {
        out.releaseLock()
      }
    }

    return Object.assign(stream, { key, from })
  }

  return {
    open,
    close: async () => {
      await Promise.allSettled([...opened].map((shut) => shut()))
    },
  }
}
