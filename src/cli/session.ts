import type { Command } from 'commander'
import { createFileSignal, type FileSignal, type FileSignalError, type FileSignalOptions } from '../index.js'
import { fail, warn } from './failure.js'
import { createOutput, type Output } from './output.js'

/** What a command works with. */
export interface Session {
  readonly events: FileSignal
  readonly output: Output
  readonly json: boolean
  /** What the command line says about the places; what it leaves out is not there. */
  readonly given: GivenPlaces
}

export type GivenPlaces = Pick<FileSignalOptions, 'root' | 'directory' | 'database'>

interface GlobalOptions extends GivenPlaces {
  json?: boolean
}

/** Runs a command on an instance of its own, which is closed whatever happens; errors end on stderr. */
export async function run(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
  const { json = false, ...given } = pick(command.optsWithGlobals())
  let failure: unknown = null
  // What the store does in the background meets the same trouble as the command; once is enough.
  const report = (error: FileSignalError): void => {
    if (!(failure instanceof Error && failure.message === error.message)) warn(error, json)
  }
  try {
    const events = createFileSignal({ ...given, onError: report })
    try {
      await work({ events, output: createOutput(json), json, given })
    } catch (error) {
      failure = error
      throw error
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
