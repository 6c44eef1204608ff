import { FileSignalError } from './errors.js'
import { packageVersion } from './version.js'

/** What is there once in a process, however many copies of this package are loaded in it. */
interface Commons {
  /** Changes when a part becomes something that older copies do not understand. */
  readonly shape: number
  /** The version of the copy that came first. */
  readonly version: string
  readonly parts: Partial<Record<Part, unknown>>
}

/** The driver above all: two copies of SQLite in one process drop each other's locks when a file is closed. */
export type Part = 'driver' | 'instance' | 'openers' | 'panel' | 'writers'

const SLOT = Symbol.for('file-signal')
const SHAPE = 1

/**
 * Shares a part with all copies of this package in the process: an application's and a plugin's, or the ES modules and
 * the CommonJS. The first copy to ask makes it.
 *
 * Throws COPIES_DIFFER where that copy is of a version that shares something else, and whatever `make` throws.
 */
export function shared<T>(part: Part, make: () => T): T {
  const { parts } = commons()
  parts[part] ??= make()
  return parts[part] as T
}

function commons(): Commons {
  const all = globalThis as { [SLOT]?: Commons }
  if (all[SLOT] === undefined) {
    const value: Commons = { shape: SHAPE, version: packageVersion(), parts: {} }
    Object.defineProperty(all, SLOT, { value, configurable: true })
    return value
  }
  const found = all[SLOT]
  if (found.shape === SHAPE) return found
  throw new FileSignalError(
    'COPIES_DIFFER',
    `file-signal ${found.version} and ${packageVersion()} are loaded in one process, and cannot share one SQLite`,
  )
}
