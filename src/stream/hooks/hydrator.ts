import type { Row } from '../../payload/engine.js'
import type { Shape } from '../frame.js'
import type { HookCall } from './hook-call.js'
import { encodeHydrated, type Hook, type Hydrated, type HydrateSite, hydrateRow } from './hydrate.js'

/** Turns the rows of one stream into frames. */
export interface Hydrator {
  /** How many rows may be asked for at a time. */
  readonly ahead: number
  /** Calls back once, in the same turn where the answer is there. */
  ask(row: Row, epoch: string, onFrame: (frame: HydratedFrame) => void): void
  /** Frames as one piece. */
  join(frames: readonly Buffer[]): Buffer
  /** Nobody waits for what was asked; `onFrame` is not called any more. */
  cancel(): void
}

/** What is sent for a row, or why nothing is. */
export type HydratedFrame = Buffer | Exclude<Hydrated, object>

/** A hydrator that asks its stream's own hook for each row, one after another. */
export function createOwnHydrator(hook: Hook, shape: Shape, site: HydrateSite): Hydrator {
  let call: HookCall | null = null
  return {
    ahead: 1,
    ask: (row, epoch, onFrame) => {
      call = hydrateRow(hook, row, epoch, site, (hydrated) => onFrame(frameOf(row, epoch, shape, hydrated)))
    },
    join: (frames) => Buffer.concat(frames),
    cancel: () => call?.abandon(),
  }
}

/** The frame of a row, where there is something to send. */
export function frameOf(row: Row, epoch: string, shape: Shape, hydrated: Hydrated): HydratedFrame {
  if (typeof hydrated === 'string') return hydrated
  return Buffer.from(encodeHydrated(row, epoch, shape, hydrated))
}
