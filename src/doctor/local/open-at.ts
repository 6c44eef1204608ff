import { dirname } from 'node:path'
import { createFileSignal, type FileSignal } from '../../file-signal.js'
import type { FileSignalOptions } from '../../options.js'
import type { StorePlaces } from './places.js'

/** Rights of files that have to be made, as an instance of the user's would make them. */
export interface Making {
  readonly mode: number
  readonly group: string | number | null
}

/** An instance of the doctor's own on the files of another. What it reports is nobody's concern unless told otherwise. */
export function openAt(
  { root, directory, store }: StorePlaces,
  { mode, group }: Making,
  options: Pick<FileSignalOptions, 'poll' | 'onError'> = {},
): FileSignal {
  return createFileSignal({
    // Both places are absolute, so any folder that is there will do; the working directory may be gone.
    root: root ?? dirname(store),
    directory,
    database: store,
    mode,
    ...(group === null ? {} : { group }),
    onError: () => {},
    ...options,
  })
}
