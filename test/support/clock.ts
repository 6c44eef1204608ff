import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type ChildOptions, fixture } from './child.js'
import { freshFolder } from './folder.js'

const HOUR = 3_600_000
export const CLOCKS = Object.freeze({ HOUR, DAY: 24 * HOUR, YEAR: 365 * 24 * HOUR })

/** The wall clock of some processes, which can be set while they run. */
export interface WallClock {
  /** For a child that goes by it. */
  readonly env: NonNullable<ChildOptions['env']>
  /** Sets it ahead of the machine's by some milliseconds, less than 0 for back. */
  set(ahead: number): void
  reset(): void
}

export function createWallClock(): WallClock {
  const path = join(freshFolder(), 'ahead')
  return {
    env: { ...OTHER_CLOCK, WALL_CLOCK: path },
    set: (ahead) => writeFileSync(path, String(ahead)),
    reset: () => rmSync(path, { force: true }),
  }
}

const OTHER_CLOCK = { NODE_OPTIONS: `--import=${pathToFileURL(fixture('other-clock')).href}` }

/** For a child whose monotonic clock is ahead of the machine's: another kernel or container, or a library's doing. */
export function monotonicAhead(ms: number): NonNullable<ChildOptions['env']> {
  return { ...OTHER_CLOCK, MONOTONIC: String(ms) }
}
