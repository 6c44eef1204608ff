import type { Cursor } from '../../event.js'
import type { Connection } from '../connection.js'
import type { Mailboxes } from '../mailbox/mailboxes.js'
import type { Subscription } from '../subscription.js'
import type { Tailer } from '../tailer.js'
import type { StreamState } from './listing.js'

/** What the store's side knows of a response. */
export interface Place {
  /** Null for what the response says of itself. */
  readonly kind: 'mailbox' | null
  readonly state: StreamState
  readonly keys: ReadonlySet<string>
  /** Row numbers behind the one reader, null where they cannot be compared. */
  readonly lag: number | null
}

export interface PlacesSite {
  readonly fed: ReadonlyMap<Connection, Subscription>
  readonly mailboxes: Pick<Mailboxes, 'keysOf'>
  readonly tailer: Pick<Tailer, 'cursor'>
}

/** Finds where a response stands; null where the store does not feed it yet, or any more. */
export function createPlaces({ fed, mailboxes, tailer }: PlacesSite): (of: Connection) => Place | null {
  return (connection) => {
    const subscription = fed.get(connection)
    if (subscription) return placeOf(subscription, tailer.cursor)
    const keys = mailboxes.keysOf(connection)
    return keys && { kind: 'mailbox', state: 'live', keys, lag: null }
  }
}

function placeOf({ state, epoch, n, group }: Subscription, cursor: Cursor | null): Place {
  const { keys } = group
  // Its own number stands still while nothing comes for its keys.
  if (state === 'live') return { kind: null, state, keys, lag: 0 }
  const lag = cursor?.epoch === epoch ? Math.max(0, cursor.n - n) : null
  return { kind: null, state: 'behind', keys, lag }
}
