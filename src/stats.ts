import { performance } from 'node:perf_hooks'
import type { Health, HealthRecord } from './health.js'
import type { Settings } from './options.js'
import type { Paths } from './paths.js'
import type { PayloadEngine, PayloadStats } from './payload/engine.js'
import type { SignalEngine } from './signal/engine.js'
import type { Histogram } from './stream/figures/latency.js'
import type { StreamStats } from './stream/stats.js'
import type { Streams } from './stream/streams.js'
import { packageVersion } from './version.js'

/** What `stats()` tells. Compare `root` in two processes that do not hear each other. */
export interface FileSignalStats {
  readonly root: { readonly path: string; readonly rule: string } | null
  readonly process: ProcessStats
  readonly store: PayloadStats & { readonly health: Health }
  readonly signal: { readonly engine: string; readonly file: string | null; readonly health: Health }
  readonly streams: StreamStats
  /** From the moment an event was stored to the one when it had been handed to the live streams here. */
  readonly latency: Histogram
}

/** Which process tells. */
export interface ProcessStats {
  readonly pid: number
  /** When the process began, in milliseconds since 1970. */
  readonly startedAt: number
  /** Of file-signal. */
  readonly version: string
}

/** The parts of an instance that figures come from. */
export interface StatsSite {
  readonly settings: Pick<Settings, 'payload' | 'signal'>
  readonly paths: Pick<Paths, 'root' | 'signalFile'>
  readonly payload: () => PayloadEngine
  readonly signal: () => SignalEngine
  readonly streams: Pick<Streams, 'stats' | 'figures'>
  readonly health: Pick<HealthRecord, 'store' | 'signal'>
}

/** Puts the figures of all rooms together; with `most` it lists no more streams and keys than that. */
export type StatsOf = (store: PayloadStats, most?: number) => FileSignalStats

export function createStats({ settings, paths, payload, signal, streams, health }: StatsSite): StatsOf {
  return (store, most) => {
    const { name } = signal()
    const usesFiles = settings.payload === null || (settings.signal === null && payload().shared)
    return {
      root: usesFiles ? paths.root() : null,
      process: {
        pid: process.pid,
        startedAt: Math.round(performance.timeOrigin),
        version: packageVersion(),
      },
      store: { ...store, health: health.store() },
      signal: { engine: name, file: name === 'file' ? paths.signalFile() : null, health: health.signal() },
      streams: { ...streams.stats(), ...streams.figures.list(most) },
      latency: streams.figures.latency(),
    }
  }
}
