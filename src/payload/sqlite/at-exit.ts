import { attempt } from '../../attempt.js'

const work = new Set<() => void>()

/**
 * Calls a function where the process ends by itself or by `process.exit()`: the driver closes what is open then, and
 * SQLite copies a -wal that was lost over what others have committed since. Returns what takes it back.
 */
export function atExit(fn: () => void): () => void {
  // One listener for all: Node warns of more than ten.
  if (work.size === 0) process.on('exit', doAll)
  work.add(fn)
  return () => {
    work.delete(fn)
    if (work.size === 0) process.off('exit', doAll)
  }
}

function doAll(): void {
  for (const fn of work) attempt(fn)
}
