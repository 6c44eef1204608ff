import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { attempt } from '../../attempt.js'
import { shared } from '../../commons.js'

/** Lets go of a connection whose -wal or -shm is gone, where there is one. */
type LetGo = () => void

/**
 * All who have a store open in this process, also other copies of this package. SQLite keeps one index of the -wal for
 * all connections of a process, so it opens a new one only when all of them have let go of a lost one.
 */
export interface Siblings {
  /** Takes part until `leave`. */
  join(): void
  leave(): void
  /** Makes all others let go. */
  dismiss(): void
}

export function createSiblings(path: string, letGo: LetGo): Siblings {
  const all = shared('openers', () => new Map<string, Set<LetGo>>())
  let key = path
  return {
    join: () => {
      // The folder may be a link, by which one of several goes.
      key = join(attempt(() => realpathSync(dirname(path))) ?? dirname(path), basename(path))
      const own = all.get(key) ?? new Set()
      own.add(letGo)
      all.set(key, own)
    },
    leave: () => {
      const own = all.get(key)
      own?.delete(letGo)
      if (own?.size === 0) all.delete(key)
    },
    dismiss: () => {
      for (const other of all.get(key) ?? []) if (other !== letGo) other()
    },
  }
}
