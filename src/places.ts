import { type FileSignalOptions, validateOptions } from './options.js'
import { createPaths, type Root } from './paths.js'

/** Where an instance keeps its files; all absolute. */
export interface Places {
  /** The project root, and in a few words the rule that found it. */
  readonly root: Root
  /** The folder of the signal file. */
  readonly directory: string
  readonly signalFile: string
  /** The store. */
  readonly database: string
}

/**
 * Tells where an instance with these options would keep its files. Creates, opens and needs none of them,
 * nor SQLite, so that it can be asked before anything is set up.
 *
 * Throws ROOT_UNKNOWN and OPTION_INVALID.
 */
export function locate(options: FileSignalOptions = {}): Places {
  const paths = createPaths(validateOptions(options))
  return {
    root: paths.root(),
    directory: paths.directory(),
    signalFile: paths.signalFile(),
    database: paths.database(),
  }
}
