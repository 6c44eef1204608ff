/** What the page is told: made by the feeds, shown by what is in `page/`. Times in milliseconds, sizes in bytes. */

/** `figures.sse`, once a second. Counters count from the start of the process. */
export interface Figures {
  readonly at: number
  readonly process: { readonly pid: number; readonly startedAt: number; readonly version: string }
  readonly streams: StreamTotals
  /** The streams furthest behind first, and how many more there are. */
  readonly open: readonly OpenShown[]
  readonly omitted: number
  /** Listened keys, those with the most events of the last minute first, and those with the most of the newest rows. */
  readonly keys: readonly KeyShown[]
  readonly wakes: Readonly<Record<string, number>>
  readonly latency: LatencyShown
  readonly store: StoreShown
  readonly health: { readonly watcher: HealthShown; readonly store: HealthShown }
}

export interface StreamTotals {
  readonly count: number
  readonly live: number
  readonly behind: number
  readonly opened: number
  readonly closed: number
  readonly events: number
  readonly bytes: number
  readonly waiting: number
}

/** One stream. `lag` is in rows, null where it is not known. */
export interface OpenShown {
  readonly id: number
  readonly age: number
  readonly keys: readonly string[]
  readonly moreKeys: number
  readonly state: string
  readonly kind: string
  readonly lag: number | null
  readonly waiting: number
  readonly address: string | null
}

/**
 * One key: who listens to it here, its events of the last minute, and how many of the newest 10,000 in the store are
 * its own, with the time of the last. Null: nobody listens, so nobody counts; or it is not among those with the most.
 */
export interface KeyShown {
  readonly key: string
  readonly streams: number
  readonly lastMinute: number | null
  readonly recent: number | null
  readonly newest: number | null
}

/** A histogram of times: `counts[i]` of them were at most `bounds[i]`, and more than the bound before; the last have none. */
export interface LatencyShown {
  readonly bounds: readonly number[]
  readonly counts: readonly number[]
}

/** Null: no limit. */
export interface StoreShown {
  readonly engine: string
  readonly place: string
  readonly rows: number
  readonly keys: number
  readonly bytes: number
  /** What it takes on the disk, the -wal too; null where it keeps no files. */
  readonly disk: number | null
  readonly maxBytes: number | null
  readonly maxAge: number | null
  readonly maxPerKey: number | null
}

/** One part that can fail: `now` is what it does, `trouble` what it reported and has not got over. */
export interface HealthShown {
  readonly now: string
  readonly trouble: { readonly at: number; readonly message: string } | null
}

/** `tail.sse`: the newest rows after what was sent before; what lies between was too much to show. */
export interface TailShown {
  /** False: this engine cannot show its newest rows. */
  readonly able: boolean
  readonly rows: readonly RowShown[]
  /** Rows that were left out before these. */
  readonly skipped: number
}

/** A row as the tail shows it. `payload` is JSON text; where it was cut, `bytes` is how long it is. */
export interface RowShown {
  readonly id: string
  readonly key: string
  readonly event: string | null
  readonly kind: 'event' | 'end'
  readonly createdAt: number
  readonly payload: string
  readonly bytes: number | null
}
