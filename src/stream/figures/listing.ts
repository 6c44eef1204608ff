import type { Audience } from '../audience.js'
import type { Connection, Measured } from '../connection.js'
import type { Outgoing } from '../outgoing.js'
import type { Place } from './place.js'
import type { Rates } from './rates.js'

/** One open response. */
export interface OpenStream {
  /** A small number that stays the same; given when the stream is first listed. */
  readonly id: number
  readonly kind: StreamKind
  readonly state: StreamState
  /** Milliseconds since it began, or, of one that is ending, since its end. */
  readonly age: number
  /** At most 10 of its keys; none where it has none, as streams of sources, and while it is opening or ending. */
  readonly keys: readonly string[]
  /** How many keys it has beyond those. */
  readonly moreKeys: number
  /** Row numbers between it and the one reader: 0 where it is live, null where it is unknown. */
  readonly lag: number | null
  /** Bytes that wait for its socket, and bytes written to it so far, without HTTP's own. */
  readonly waiting: number
  readonly sent: number
  /** The client's address, by the rule of `clientAddress()`; null where nothing is known. */
  readonly address: string | null
}

/** `short`: an answer that ends by itself. `source`: of streamFrom(), and for a moment a probe of the way. `mailbox`: of `deliver: 'once'`. */
export type StreamKind = 'stream' | 'short' | 'source' | 'mailbox'

/** `behind`: it reads from the store by itself. `ending`: no more is written, and what waits is still being sent. */
export type StreamState = 'opening' | 'live' | 'behind' | 'ending'

/** A key that somebody listens to. */
export interface ListenedKey {
  readonly key: string
  /** Streams and subscribers of the key. */
  readonly streams: number
  /** Events of the last minute; the step that time is counted in is five seconds. */
  readonly lastMinute: number
}

export interface ListingSite {
  readonly connections: ReadonlySet<Connection>
  /** Null where nothing feeds it yet, or any more. */
  readonly placeOf: (connection: Connection) => Place | null
  readonly addressOf: (response: Outgoing) => string | null
  readonly audience: Pick<Audience, 'listened' | 'groupsOf'>
  readonly rates: Rates
}

/** Looks at everything at the call; in between it keeps nothing but the numbers of the streams that it has listed. */
export interface Listing {
  /** At most `most` streams, those furthest behind first, and how many there are beyond those. */
  streams(now: number, most: number): { readonly open: OpenStream[]; readonly omitted: number }
  /** At most `most` listened keys, the busiest first. */
  keys(now: number, most: number): ListenedKey[]
}

const MOST_NAMES = 10
const NO_KEYS: ReadonlySet<string> = new Set()

interface Seen {
  readonly connection: Connection
  readonly place: Place | null
  readonly measured: Measured
}

export function createListing(site: ListingSite): Listing {
  const ids = new WeakMap<Connection, number>()
  let lastId = 0

  function idOf(connection: Connection): number {
    const known = ids.get(connection)
    if (known !== undefined) return known
    lastId += 1
    ids.set(connection, lastId)
    return lastId
  }

  function see(connection: Connection): Seen {
    return { connection, place: site.placeOf(connection), measured: connection.measure() }
  }

  function show({ connection, place, measured }: Seen, now: number): OpenStream {
    const { keys } = place ?? { keys: NO_KEYS }
    return {
      id: idOf(connection),
      kind: place?.kind ?? measured.kind,
      state: stateOf(place, measured),
      age: Math.round(now - measured.since),
      keys: [...keys].slice(0, MOST_NAMES),
      moreKeys: Math.max(0, keys.size - MOST_NAMES),
      lag: place?.lag ?? null,
      waiting: measured.waiting,
      sent: measured.sent,
      address: site.addressOf(measured.response),
    }
  }

  function showKey(key: string, lastMinute: number): ListenedKey {
    let streams = 0
    for (const group of site.audience.groupsOf(key)) streams += group.members
    return { key, streams, lastMinute }
  }

  return {
    streams: (now, most) => {
      const seen = [...site.connections].map(see).sort(byDistance)
      const open = seen.slice(0, most).map((one) => show(one, now))
      return { open, omitted: seen.length - open.length }
    },
    keys: (now, most) => {
      const counts = site.rates.read(now)
      const { keys } = site.audience.listened()
      const busy = [...counts].filter(([key]) => keys.has(key)).sort(([, a], [, b]) => b - a)
      const shown = busy.slice(0, most).map(([key, count]) => showKey(key, count))
      for (const key of keys) {
        if (shown.length >= most) break
        if (!counts.has(key)) shown.push(showKey(key, 0))
      }
      return shown
    },
  }
}

/** A lag that is unknown may be any; behind those comes what waits in sockets. */
function byDistance(a: Seen, b: Seen): number {
  return distance(b) - distance(a) || b.measured.waiting - a.measured.waiting
}

function distance({ place }: Seen): number {
  if (place?.state !== 'behind') return 0
  return place.lag === null ? Number.MAX_SAFE_INTEGER : place.lag + 1
}

function stateOf(place: Place | null, { kind, state }: Measured): StreamState {
  if (state === 'ending') return 'ending'
  if (place) return place.state
  return kind === 'source' && state === 'open' ? 'live' : 'opening'
}
