import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram } from '../setup/program.js'
import { type Entry, now } from './record.js'
import { PROJECT, type World } from './world.js'

/** A program that publishes one event and ends: the command line, and the publishers in other languages. */
export interface Passer {
  readonly name: string
  /** Publishes to a key; resolves with the code of a failure, '' where it is stored. */
  publish(key: string): Promise<string>
}

/** Those that can run here. */
export function createPassers(world: World, log: (entry: Entry) => void): Passer[] {
  const publishers = join(PROJECT, 'examples/publishers')
  const commands: [string, string | null, string[]][] = [
    ['cli', process.execPath, [join(PROJECT, 'dist/cli/main.js'), 'signal']],
    // The system's own: another user may not run what lies in a home folder.
    [
      'py',
      existsSync('/usr/bin/python3') ? '/usr/bin/python3' : findProgram('python3'),
      [join(publishers, 'file_signal.py')],
    ],
    ['php', findProgram('php'), [join(publishers, 'file-signal.php')]],
    ['sh', findProgram('sqlite3') && findProgram('sh'), [join(publishers, 'file-signal.sh')]],
  ]
  return commands.flatMap(([name, command, args]) => (command ? [create(name, command, args)] : []))

  function create(name: string, command: string, args: readonly string[]): Passer {
    let count = 0
    return {
      name,
      publish: async (key) => {
        count += 1
        const nonce = `${name}.${count}`
        const began = now()
        const { code, stdout, stderr } = await world.run(command, [...args, key, JSON.stringify({ nonce })])
        const about = { t: now(), began, by: name, key, nonce }
        const id = stdout.trim()
        if (code === 0) {
          log({ type: 'acked', ...about, id, stored: true })
          return ''
        }
        const failed =
          /\b(?:STORE|PATH|ROOT|SIGNAL|KEY|OPTION|PAYLOAD)_[A-Z]+\b/.exec(stderr)?.[0] ?? 'UNKNOWN'
        // A command that was killed has said nothing about its event.
        if (code !== null) log({ type: 'rejected', ...about, code: failed, message: stderr.slice(0, 300) })
        return failed
      },
    }
  }
}
