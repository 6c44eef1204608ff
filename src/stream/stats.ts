import { formatId } from '../event.js'
import type { WakeKind } from '../signal/engine.js'
import type { Audience } from './audience.js'
import type { Connection } from './connection.js'
import type { Listed } from './figures/figures.js'
import type { Place } from './figures/place.js'
import type { Mailboxes } from './mailbox/mailboxes.js'
import type { Responses } from './responses.js'
import type { Subscribers } from './subscribe.js'
import type { Tailer } from './tailer.js'

/** What `stats()` tells of the streams of this instance. */
export interface StreamStats extends StreamCounts, Listed {}

/** Streams in numbers. */
export interface StreamCounts {
  /** Open responses and subscribers. */
  readonly streams: number
  readonly live: number
  readonly behind: number
  /** Keys that somebody listens to. */
  readonly keys: number
  /** Where the one reader stands, as an id; null while nobody listens. */
  readonly cursor: string | null
  /** Wake-ups since the start, by kind. */
  readonly wakes: Readonly<Record<WakeKind, number>>
  /** How wake-ups arrive now; null while nobody listens. */
  readonly mode: 'watch' | 'poll' | null
  /** Rows between the response that is furthest behind and the one reader. */
  readonly lag: number
  /** Bytes that wait in sockets. */
  readonly waiting: number
  /** Responses since the start, and those of them that are gone. */
  readonly opened: number
  readonly closed: number
  /** Events written since the start, each once per response, and bytes without HTTP's own. */
  readonly events: number
  readonly bytes: number
}

/** What is looked at for the stats. */
export interface Counted {
  readonly responses: Pick<Responses, 'all' | 'totals'>
  readonly placeOf: (connection: Connection) => Place | null
  readonly subscribers: Pick<Subscribers, 'size'>
  readonly mailboxes: Pick<Mailboxes, 'size'>
  readonly audience: Pick<Audience, 'groups' | 'members' | 'keys'>
  readonly tailer: Pick<Tailer, 'cursor' | 'wakes' | 'mode'>
}

/** Counts now. */
export function countStreams({
  responses,
  placeOf,
  subscribers,
  mailboxes,
  audience,
  tailer,
}: Counted): StreamCounts {
  let live = mailboxes.size
  for (const group of audience.groups()) live += group.live.size
  let waiting = 0
  let lag = 0
  for (const connection of responses.all) {
    waiting += connection.measure().waiting
    lag = Math.max(lag, placeOf(connection)?.lag ?? 0)
  }
  const { cursor } = tailer
  const { opened, closed, events, sent } = responses.totals()
  return {
    streams: responses.all.size + subscribers.size,
    live,
    behind: audience.members - live,
    keys: audience.keys,
    cursor: cursor && formatId(cursor.epoch, cursor.n),
    wakes: { ...tailer.wakes },
    mode: tailer.mode,
    lag,
    waiting,
    opened,
    closed,
    events,
    bytes: sent,
  }
}
