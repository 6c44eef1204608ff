import type { HealthRecord } from '../health.js'
import type { PayloadEngine } from '../payload/engine.js'
import type { Streams } from '../stream/streams.js'
import { packageVersion } from '../version.js'
import type { Looked } from './catalogue.js'

/** What is looked at. */
export interface MetricsSite {
  readonly streams: Pick<Streams, 'stats' | 'figures'>
  readonly health: Pick<HealthRecord, 'store' | 'signal' | 'reports'>
  /** Throws CLOSED. */
  readonly payload: () => PayloadEngine
}

/** How long a store may take to tell of itself, in milliseconds: a scraper waits 10 s, and the streams have their own to tell. */
const PATIENCE = 1000

/**
 * Looks at everything at once, and once for all metrics that are read together. Null after close(): then there is
 * nothing to tell. Never rejects, for that would cost the application its own metrics.
 */
export function createLook(site: MetricsSite, mostKeys: number): () => Promise<Looked | null> {
  let looking: Promise<Looked | null> | null = null

  async function look(): Promise<Looked | null> {
    try {
      const store = await withinTime(site.payload().stats())
      const { streams, health } = site
      return {
        version: packageVersion(),
        streams: streams.stats(),
        latency: streams.figures.latency(),
        health: { store: health.store(), signal: health.signal() },
        reports: health.reports(),
        store,
        keys: mostKeys > 0 ? streams.figures.keys().slice(0, mostKeys) : [],
      }
    } catch {
      return null
    }
  }

  return () => {
    looking ??= look().finally(() => {
      looking = null
    })
    return looking
  }
}

/** Null where the store fails or takes too long. */
function withinTime<T>(answer: Promise<T>): Promise<T | null> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PATIENCE, null)
    const settle = (value: T | null) => {
      clearTimeout(timer)
      resolve(value)
    }
    answer.then(settle, () => settle(null))
  })
}
