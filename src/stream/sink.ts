import type { Cursor } from '../event.js'
import type { Batch } from './batch.js'
import type { ResetReason } from './frame.js'

/**
 * Where the events of one subscription go: a response, or a queue in this process.
 *
 * Whoever owns the sink tells the subscription when it has drained, and when it is gone.
 */
export interface Sink {
  /** True where more waits than it may hold; a live subscription falls behind instead of writing. */
  isFull(): boolean
  /** Takes a batch that has something to send. False: give no more until it has drained. */
  write(batch: Batch): boolean
  /** It has all that is there; what follows is written as it comes. Told again each time it has fallen behind. */
  caughtUp(): void
  /** The reader's cursor is lost; what follows comes after `cursor`. */
  reset(reason: ResetReason, cursor: Cursor): void
  /** Every key has ended; `last` tells why, where something ended otherwise than well. Nothing follows. */
  done(cursor: Cursor, last: Batch | null): void
  /** The subscription has failed by a fault of its own. Nothing follows. */
  fail(error: unknown): void
}
