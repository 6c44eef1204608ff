import { performance } from 'node:perf_hooks'
import type { Row } from '../../payload/engine.js'
import type { Audience } from '../audience.js'
import { createLatency, type Histogram } from './latency.js'
import {
  createListing,
  type ListenedKey,
  type Listing,
  type ListingSite,
  type OpenStream,
} from './listing.js'
import { createRates } from './rates.js'

/** Everything that is open now. */
export interface Listed {
  /** Open responses, at most 1,000, those furthest behind first. */
  readonly open: readonly OpenStream[]
  /** Open responses beyond those. */
  readonly omitted: number
  /** Keys that somebody listens to, at most 1,000, the busiest first. */
  readonly rates: readonly ListenedKey[]
}

/** What one instance measures of its streams while they run: per page of the tailer, never per stream. */
export interface Figures {
  /** Rows that were handed to live streams just now. */
  note(rows: readonly Row[]): void
  latency(): Histogram
  /** At most `most` streams and keys, 1,000 unless told. */
  list(most?: number): Listed
  keys(): ListenedKey[]
}

export interface FiguresSite extends Omit<ListingSite, 'rates' | 'audience'> {
  readonly audience: Pick<Audience, 'listened' | 'groupsOf'>
}

const MOST = 1000

export function createFigures(site: FiguresSite): Figures {
  const { audience } = site
  const latency = createLatency()
  const rates = createRates()
  const listing: Listing = createListing({ ...site, rates })

  function isHeardLive(key: string): boolean {
    for (const group of audience.groupsOf(key)) if (group.live.size > 0) return true
    return false
  }

  return {
    note: (rows) => {
      if (rows.length === 0) return
      const now = performance.now()
      const at = Date.now()
      for (const { kind, key, createdAt } of rows) {
        if (kind !== 'event') continue
        rates.count(key, now)
        if (isHeardLive(key)) latency.observe(at - createdAt)
      }
    },
    latency: latency.read,
    keys: () => listing.keys(performance.now(), MOST),
    list: (most = MOST) => {
      const now = performance.now()
      return { ...listing.streams(now, most), rates: listing.keys(now, most) }
    },
  }
}
