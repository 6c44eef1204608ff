import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from '../support/wait.js'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Terminal {
  /** Waits until the command has printed this, after what was waited for before. */
  see(what: RegExp): Promise<string>
  type(keys: string): void
  /** Resolves with the exit code. */
  ended: Promise<number | null>
}

/** Runs `file-signal ARGS` in a terminal of its own, which util-linux' `script` makes. */
export function startTerminal(script: string, root: string, ...args: string[]): Terminal {
  const line = [process.execPath, MAIN, '--root', root, ...args].map((word) => `'${word}'`).join(' ')
  const child = spawn(script, ['--quiet', '--return', '--flush', '--command', line, '/dev/null'], {
    env: { ...process.env, TERM: 'xterm', COLUMNS: '200' },
  })
  let unseen = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    unseen += text
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  return {
    async see(what) {
      const found = await until(() => what.exec(unseen), `${what} in the terminal`, 10_000)
      const seen = unseen.slice(0, found.index + found[0].length)
      unseen = unseen.slice(seen.length)
      return seen
    },
    type: (keys) => void child.stdin.write(keys),
    ended,
  }
}
