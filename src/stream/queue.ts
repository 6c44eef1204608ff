import { FileSignalError, quote } from '../errors.js'
import { decodePayload, type Event, formatId } from '../event.js'
import type { Row } from '../payload/engine.js'
import { readReason } from '../reason.js'
import type { Sink } from './sink.js'

/** A sink whose events are taken one by one by code in this process. */
export interface Queue extends Sink {
  /** The next event, as soon as there is one. Rejects once with what ended the queue, if something did. */
  next(): Promise<IteratorResult<Event, undefined>>
  /** Takes nothing more; what waits can still be taken. Idempotent. */
  finish(error?: unknown): void
  /** Forgets what waits, and finishes. */
  discard(): void
}

export interface QueueSite {
  readonly onDrain: () => void
  /** Called once, when nothing more is taken. */
  readonly onFinish: () => void
}

/** Events that may wait before the subscription reads from the store instead. */
const LENGTH = 256

interface Waiter {
  resolve(result: IteratorResult<Event, undefined>): void
  reject(error: unknown): void
}

/** A queue of 256 events, or of the one page more that a live subscription may bring. */
export function createQueue(site: QueueSite): Queue {
  const events: Event[] = []
  const waiters: Waiter[] = []
  let finished = false
  let failure: unknown
  /** Why keys ended that have not begun again since. */
  const reasons = new Map<string, string>()

  function push(row: Row, epoch: string): void {
    if (row.kind === 'end') {
      note(row)
      return
    }
    if (reasons.size > 0) reasons.delete(row.key)
    const value = readEvent(row, epoch)
    const waiter = waiters.shift()
    if (waiter) waiter.resolve({ done: false, value })
    else events.push(value)
  }

  function note(row: Row): void {
    const reason = readReason(row.payload)
    if (reason !== null) reasons.set(row.key, reason)
  }

  function finish(error?: unknown): void {
    if (finished) return
    finished = true
    failure = error
    for (const waiter of waiters.splice(0)) settle(waiter)
    site.onFinish()
  }

  function settle(waiter: Waiter): void {
    if (failure === undefined) waiter.resolve({ done: true, value: undefined })
    else waiter.reject(failure)
    failure = undefined
  }

  return {
    isFull: () => events.length >= LENGTH,
    write: (batch) => {
      for (const row of batch.sent) push(row, batch.epoch)
      return events.length < LENGTH
    },
    caughtUp: () => {},
    reset: (reason, cursor) => {
      const at = formatId(cursor.epoch, cursor.n)
      finish(
        new FileSignalError('CURSOR_LOST', `subscribe() lost its place (${reason}), the store is at ${at}`),
      )
    },
    // To finish as if all was well would make half an answer look whole.
    done: (_cursor, last) => {
      for (const row of last?.sent ?? []) note(row)
      const [early] = reasons
      finish(early && endedEarly(...early))
    },
    fail: finish,
    next: () =>
      new Promise((resolve, reject) => {
        const value = events.shift()
        if (value) resolve({ done: false, value })
        else if (finished) settle({ resolve, reject })
        else waiters.push({ resolve, reject })
        if (value && events.length === 0) site.onDrain()
      }),
    finish,
    discard: () => {
      events.length = 0
      finish()
      failure = undefined
    },
  }
}

/** A stored row as code in this process gets it, with a payload of its own. */
export function readEvent({ n, key, event, payload, createdAt }: Row, epoch: string): Event {
  return { id: formatId(epoch, n), key, event, payload: decodePayload(payload), createdAt }
}

function endedEarly(key: string, reason: string): FileSignalError {
  return new FileSignalError('ENDED_EARLY', `key ${quote(key)} has ended: ${quote(reason)}`, { reason })
}
