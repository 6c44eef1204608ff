import { performance } from 'node:perf_hooks'
import type { Holder } from './doctor/local/holders.js'
import type { Health, HealthRecord } from './health.js'
import type { Settings } from './options.js'
import { type Paths, type Root, runningProject } from './paths.js'
import type { PayloadEngine, PayloadStats } from './payload/engine.js'
import type { SignalEngine } from './signal/engine.js'
import type { Histogram } from './stream/figures/latency.js'
import type { StreamStats } from './stream/stats.js'
import type { Streams } from './stream/streams.js'
import { packageVersion } from './version.js'

/** What `stats()` tells. Compare `root` in two processes that do not hear each other. */
export interface FileSignalStats {
  readonly root: { readonly path: string; readonly rule: string } | null
  /** Compares the root with what else is there; null where no files are used. */
  readonly project: ProjectStats | null
  readonly process: ProcessStats
  readonly store: PayloadStats & { readonly health: Health }
  readonly signal: { readonly engine: string; readonly file: string | null; readonly health: Health }
  readonly streams: StreamStats
  /** From the moment an event was stored to the one when it had been handed to the live streams here. */
  readonly latency: Histogram
}

/** Where the root stands, to find out why two processes do not hear each other. Remembered for ten seconds. */
export interface ProjectStats {
  /** The project that the running program belongs to, whatever an option or FILE_SIGNAL_ROOT says; null where none is found. */
  readonly path: string | null
  /** What may not be meant: a root of another project, a store in a release that the next deploy leaves behind. */
  readonly notes: readonly string[]
  /** Other processes that hold a lock on the store, as those do that have it open; null where the system does not tell. */
  readonly openIn: readonly Holder[] | null
  /** Other stores of ours in the project, above or below it, or in its workspace. */
  readonly near: readonly { readonly path: string; readonly openIn: readonly Holder[] | null }[]
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
export type StatsOf = (store: PayloadStats, most?: number) => Omit<FileSignalStats, 'project'>

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

/** Milliseconds for which what was found about the project is given again. */
const REMEMBERED = 10_000

/** Looks at the surroundings of the store; null where there is no root. Loads what it needs at its first call. */
export function createProjectStats(paths: Paths): (root: Root | null) => Promise<ProjectStats | null> {
  let known: { at: number; stats: Promise<ProjectStats> } | null = null

  async function look(root: Root): Promise<ProjectStats> {
    const [{ findLockHolders }, { findNearStores }, { notePlaces }] = await Promise.all([
      import('./doctor/local/holders.js'),
      import('./near-stores.js'),
      import('./place-notes.js'),
    ])
    const places = { root, store: paths.database(), directory: paths.directory() }
    const near = await findNearStores(root.path, places.store)
    const notes = await notePlaces(places)
    return {
      path: runningProject()?.path ?? null,
      notes: notes.map(({ seen, remedy }) => `${seen}; ${remedy}`),
      openIn: findLockHolders(places.store),
      near: near.map(({ path }) => ({ path, openIn: findLockHolders(path) })),
    }
  }

  return async (root) => {
    if (root === null) return null
    const at = performance.now()
    if (known === null || at - known.at > REMEMBERED) known = { at, stats: look(root) }
    return known.stats
  }
}
