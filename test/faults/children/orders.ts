import type { Acknowledged, Entry, Rejected } from '../record.js'

/** How a child that publishes is started, as JSON on its command line. */
export interface Setup {
  root: string
  /** Its name in the log, and the number of this life of it. */
  name: string
  life: number
  seed: number
  keys: readonly string[]
  /** Longest pause between two calls, in milliseconds; 0 for none at all but at a `final`. */
  pace: number
  /** Where it serves streams; null where it only publishes. */
  port: number | null
}

/** What the driver sends to a child. */
export type Order =
  | { type: 'idle'; ms: number; then: number }
  | { type: 'clock'; ms: number }
  | { type: 'copy'; from: string; to: string }
  | { type: 'prune' }
  | { type: 'quiet' }
  | { type: 'final' }
  | { type: 'stop' }

/** What a child sends to the driver. */
export type Word =
  | (Omit<Acknowledged, 'by'> | Omit<Rejected, 'by'>)
  | Omit<Extract<Entry, { type: 'report' }>, 'by'>
  | { type: 'ready' | 'quiet' | 'copied' }
  | { type: 'final'; failed: string | null }
