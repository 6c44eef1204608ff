import type { Command } from 'commander'
import { createFileSignal, type FileSignal, type FileSignalOptions } from '../index.js'
import { fail, warn } from './failure.js'
import { createOutput, type Output } from './output.js'

/** What a command works with. */
export interface Session {
  readonly events: FileSignal
  readonly output: Output
  readonly json: boolean
}

interface GlobalOptions extends Pick<FileSignalOptions, 'root' | 'directory' | 'database'> {
  json?: boolean
}

/** Runs a command on an instance of its own, which is closed whatever happens; errors end on stderr. */
export async function run(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
  const { json = false, ...places } = pick(command.optsWithGlobals())
  try {
    const events = createFileSignal({ ...places, onError: (error) => warn(error, json) })
    try {
      await work({ events, output: createOutput(json), json })
    } finally {
      await events.close()
    }
  } catch (error) {
    fail(error, json)
  }
}

/** A command's own options stand among the global ones. */
function pick({ root, directory, database, json }: GlobalOptions): GlobalOptions {
  return {
    ...(root === undefined ? {} : { root }),
    ...(directory === undefined ? {} : { directory }),
    ...(database === undefined ? {} : { database }),
    ...(json === undefined ? {} : { json }),
  }
}
