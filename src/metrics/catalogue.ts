import type { Health } from '../health.js'
import type { PayloadStats } from '../payload/engine.js'
import type { Histogram } from '../stream/figures/latency.js'
import type { ListenedKey } from '../stream/figures/listing.js'
import type { StreamCounts } from '../stream/stats.js'

/** What metrics are read from, all of one moment. */
export interface Looked {
  readonly version: string
  readonly streams: StreamCounts
  readonly latency: Histogram
  readonly health: { readonly store: Health; readonly signal: Health }
  readonly reports: ReadonlyMap<string, number>
  /** Null where the store did not answer. */
  readonly store: PayloadStats | null
  /** Those whose names are asked for. */
  readonly keys: readonly ListenedKey[]
}

/** One line of a metric; `suffix` is what a histogram puts behind the name. */
export interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string | number>>
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

/** A metric, and how it is read. A list without samples is one that nothing is known of now. */
export interface MetricPlan {
  readonly name: string
  readonly help: string
  readonly type: 'gauge' | 'counter' | 'histogram'
  readonly read: (looked: Looked) => readonly Sample[]
}

const gauge = (
  name: string,
  help: string,
  read: (looked: Looked) => number | null | undefined,
): MetricPlan => ({
  name: `file_signal_${name}`,
  help,
  type: 'gauge',
  read: (looked) => one(read(looked)),
})

const counter = (
  name: string,
  help: string,
  read: (looked: Looked) => number | null | undefined,
): MetricPlan => ({
  ...gauge(name, help, read),
  type: 'counter',
})

const many = (
  type: 'gauge' | 'counter',
  name: string,
  help: string,
  label: string,
  read: (looked: Looked) => Iterable<readonly [string, number]>,
): MetricPlan => ({
  name: `file_signal_${name}`,
  help,
  type,
  read: (looked) =>
    [...read(looked)].map(([value, number]) => ({ labels: { [label]: value }, value: number })),
})

/** All metrics, as docs/figures.md tells them. */
export const METRICS: readonly MetricPlan[] = Object.freeze([
  many('gauge', 'info', 'The version of file-signal in this process.', 'version', ({ version }) => [
    [version, 1],
  ]),
  gauge('streams_open', 'Open responses and subscribers.', ({ streams }) => streams.streams),
  gauge('streams_live', 'Those that get events as they come.', ({ streams }) => streams.live),
  gauge('streams_behind', 'Those that read from the store by themselves.', ({ streams }) => streams.behind),
  gauge(
    'streams_lag_rows',
    'Rows that the response furthest behind has not got.',
    ({ streams }) => streams.lag,
  ),
  counter('streams_opened_total', 'Responses opened.', ({ streams }) => streams.opened),
  counter('streams_closed_total', 'Responses that are gone.', ({ streams }) => streams.closed),
  gauge('listened_keys', 'Keys that somebody listens to.', ({ streams }) => streams.keys),
  counter('sent_events_total', 'Events written, each once per response.', ({ streams }) => streams.events),
  counter('sent_bytes_total', "Bytes written, without HTTP's own.", ({ streams }) => streams.bytes),
  gauge('waiting_bytes', 'Bytes that wait in sockets.', ({ streams }) => streams.waiting),
  {
    name: 'file_signal_latency_seconds',
    help: 'From the moment an event was stored until it was handed to the live streams.',
    type: 'histogram',
    read: ({ latency }) => histogram(latency),
  },
  many('counter', 'wakes_total', 'Wake-ups of the one reader.', 'kind', ({ streams }) =>
    Object.entries(streams.wakes),
  ),
  gauge(
    'watching',
    '1 where signals are watched for, 0 where they are polled; absent while nobody listens.',
    (looked) => (looked.streams.mode === null ? null : Number(looked.streams.mode === 'watch')),
  ),
  many('gauge', 'healthy', '0 where the part has reported trouble that is not over.', 'part', ({ health }) =>
    Object.entries(health).map(([part, state]) => [part, Number(state === 'ok')] as const),
  ),
  many('counter', 'reports_total', 'Failures reported to onError.', 'code', ({ reports }) => reports),
  gauge('store_rows', 'Rows in the store.', ({ store }) => store?.rows),
  gauge('store_keys', 'Keys in the store.', ({ store }) => store?.keys),
  gauge('store_bytes', 'Bytes that the store uses.', ({ store }) => store?.bytes),
  many('gauge', 'store_disk_bytes', 'Bytes that the store takes on the disk.', 'part', ({ store }) =>
    Object.entries(store?.disk ?? {}),
  ),
  gauge('store_limit_bytes', 'Bytes that retention allows.', ({ store }) => store?.retention.maxBytes),
  gauge('store_newest_row', 'Number of the newest row.', ({ store }) => store?.head),
])

/** Metrics with key names as labels, for those who ask for them. */
export const KEY_METRICS: readonly MetricPlan[] = Object.freeze([
  many('gauge', 'key_streams', 'Streams and subscribers of the key.', 'key', ({ keys }) =>
    keys.map(({ key, streams }) => [key, streams] as const),
  ),
  many('gauge', 'key_recent_events', 'Events of the key in the last minute.', 'key', ({ keys }) =>
    keys.map(({ key, lastMinute }) => [key, lastMinute] as const),
  ),
])

function one(value: number | null | undefined): readonly Sample[] {
  return value === null || value === undefined ? [] : [{ value }]
}

/** Prometheus counts each bucket with those below it, and time in seconds. */
function histogram({ bounds, counts, count, sum }: Histogram): readonly Sample[] {
  let below = 0
  const buckets = counts.map((counted, i): Sample => {
    below += counted
    const bound = bounds[i]
    return { suffix: '_bucket', labels: { le: bound === undefined ? '+Inf' : bound / 1000 }, value: below }
  })
  return [...buckets, { suffix: '_sum', value: sum / 1000 }, { suffix: '_count', value: count }]
}
