import type { Health } from '../health.js'
import type { JournalKey, PayloadEngine, PayloadStats } from '../payload/engine.js'
import type { Histogram } from '../stream/figures/latency.js'
import type { StreamStats } from '../stream/stats.js'
import { createRested } from './rested.js'
import type { Figures, HealthShown, KeyShown, StoreShown } from './shown.js'

/** What is looked at: the store, and what `stats()` tells once the store has told its own, with at most `most` streams and keys. */
export interface FiguresSite {
  readonly payload: () => PayloadEngine
  readonly statsOf: (store: PayloadStats, most: number) => Inspected
}

/** The part of `stats()` that is shown. */
export interface Inspected {
  readonly process: Figures['process']
  readonly store: PayloadStats & { readonly health: Health }
  readonly signal: { readonly engine: string; readonly health: Health }
  readonly streams: StreamStats
  readonly latency: Histogram
}

/** Streams and keys that are sent: the page is for looking at, and each look is encoded and parsed. */
const MOST = 100

/** A callback for `streamFrom()`: the figures as they are at the call. */
export function createFigures({ payload, statsOf }: FiguresSite): () => Promise<Figures> {
  const storeNow = createRested(async () => payload().stats())
  const recentKeys = createRested(async () => payload().journal?.keys({ limit: MOST }) ?? [])

  return async () => {
    const [stats, recent] = [await storeNow(), await recentKeys()]
    const { process, store, signal, streams, latency } = statsOf(stats, MOST)
    const { open, omitted, wakes, streams: all, mode } = streams
    return {
      at: Date.now(),
      process,
      streams: {
        count: all,
        live: streams.live,
        behind: streams.behind,
        opened: streams.opened,
        closed: streams.closed,
        events: streams.events,
        bytes: streams.bytes,
        waiting: streams.waiting,
      },
      open,
      omitted,
      keys: keysOf(streams.rates, recent),
      wakes,
      latency: { bounds: latency.bounds, counts: latency.counts },
      store: storeOf(stats),
      health: {
        watcher: healthOf(watching(signal.engine, mode), signal.health),
        store: healthOf('ok', store.health),
      },
    }
  }
}

/** Those that are listened to, the busiest first, and behind them the others that have the most of the newest rows. */
function keysOf(rates: StreamStats['rates'], recent: readonly JournalKey[]): KeyShown[] {
  const known = new Map(recent.map((one) => [one.key, one]))
  const listened = rates.map(({ key, streams, lastMinute }) => {
    const own = known.get(key)
    known.delete(key)
    return { key, streams, lastMinute, recent: own?.rows ?? null, newest: own?.createdAt ?? null }
  })
  const others = [...known.values()].map(({ key, rows, createdAt }) => {
    return { key, streams: 0, lastMinute: null, recent: rows, newest: createdAt }
  })
  return [...listened, ...others].slice(0, MOST)
}

function storeOf({ engine, place, rows, keys, bytes, disk, retention }: PayloadStats): StoreShown {
  const { maxBytes, maxAge, maxPerKey } = retention
  const finite = (limit: number) => (Number.isFinite(limit) ? limit : null)
  return {
    engine,
    place,
    rows,
    keys,
    bytes,
    disk: disk ? disk.file + disk.wal : null,
    maxBytes: finite(maxBytes),
    maxAge: finite(maxAge),
    maxPerKey: finite(maxPerKey),
  }
}

function watching(engine: string, mode: StreamStats['mode']): string {
  if (mode === null) return 'asleep'
  if (engine !== 'file') return engine
  return mode === 'watch' ? 'watching' : 'polling'
}

function healthOf(now: string, health: Health): HealthShown {
  return { now, trouble: health === 'ok' ? null : { at: health.at, message: health.message } }
}
