import { FileSignalError } from '../../errors.js'
import type { Paths } from '../../paths.js'
import { type Finding, fail, pass, warn, wordsOf } from '../result.js'

/** Where an instance with these options keeps its files. */
export interface StorePlaces {
  readonly root: string | null
  readonly store: string
  readonly directory: string
  readonly signalFile: string
}

/** The paths, or null where they depend on a root that is not known. */
export function findPlaces(paths: Paths): StorePlaces | null {
  try {
    const [store, directory, signalFile] = [paths.database(), paths.directory(), paths.signalFile()]
    return { root: rootOf(paths)?.path ?? null, store, directory, signalFile }
  } catch {
    return null
  }
}

/** The project root and the rule that chose it: two processes that find different ones never hear each other. */
export function checkRoot(paths: Paths): Finding {
  try {
    const { path, rule } = paths.root()
    const details = { path, rule }
    const seen = `${path} (${rule})`
    if (!rule.startsWith('package.json above the working directory')) return pass(seen, details)
    return warn(
      seen,
      `a cron job starts in another directory: set FILE_SIGNAL_ROOT=${path} for it, or pass { root }`,
      details,
    )
  } catch (error) {
    if (!(error instanceof FileSignalError)) throw error
    return fail(wordsOf(error).words, error.remedy)
  }
}

/** The store and the signal file, as they follow from the root, the options and the environment. */
export function checkPlaces(places: StorePlaces): Finding {
  const { store, signalFile } = places
  return pass(`store ${store}, signal file ${signalFile}`, { store, signalFile })
}

function rootOf(paths: Paths): { path: string } | null {
  try {
    return paths.root()
  } catch {
    return null
  }
}
