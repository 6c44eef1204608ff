import { createWriteStream } from 'node:fs'
import type { Entry } from './record.js'

/** All that happened, in memory and in a file of JSON lines. */
export interface Log {
  readonly entries: readonly Entry[]
  add(entry: Entry): void
  /** Resolves when all is written. */
  close(): Promise<void>
}

export function createLog(path: string): Log {
  const entries: Entry[] = []
  const file = createWriteStream(path)
  return {
    entries,
    add: (entry) => {
      entries.push(entry)
      file.write(`${JSON.stringify(entry)}\n`)
    },
    close: () => new Promise((resolve) => void file.end(resolve)),
  }
}
