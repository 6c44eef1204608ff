import { formatId } from '../event.js'
import type { WakeKind } from '../signal/engine.js'
import type { Audience } from './audience.js'
import type { Connection } from './connection.js'
import type { Mailboxes } from './mailbox/mailboxes.js'
import type { Subscribers } from './subscribe.js'
import type { Tailer } from './tailer.js'

/** What `stats()` tells of the streams of this instance. */
export interface StreamStats {
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
  /** Bytes that wait in sockets. */
  readonly waiting: number
}

/** What is looked at for the stats. */
export interface Counted {
  readonly connections: ReadonlySet<Connection>
  readonly subscribers: Pick<Subscribers, 'size'>
  readonly mailboxes: Pick<Mailboxes, 'size'>
  readonly audience: Pick<Audience, 'groups' | 'members' | 'keys'>
  readonly tailer: Pick<Tailer, 'cursor' | 'wakes' | 'mode'>
}

/** Counts now. */
export function countStreams({
  connections,
  subscribers,
  mailboxes,
  audience,
  tailer,
}: Counted): StreamStats {
  let live = mailboxes.size
  for (const group of audience.groups()) live += group.live.size
  let waiting = 0
  for (const connection of connections) waiting += connection.waiting()
  const { cursor } = tailer
  return {
    streams: connections.size + subscribers.size,
    live,
    behind: audience.members - live,
    keys: audience.keys,
    cursor: cursor && formatId(cursor.epoch, cursor.n),
    wakes: { ...tailer.wakes },
    mode: tailer.mode,
    waiting,
  }
}
