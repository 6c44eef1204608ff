import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CliProcess {
  process: ChildProcessWithoutNullStreams
  /** The lines printed so far. */
  lines(): string[]
  ended: Promise<CliResult>
}

/** As whom it runs, and what is added to the environment. */
export interface CliSurroundings {
  uid?: number
  gid?: number
  env?: Record<string, string>
}

/** Starts `file-signal ARGS` on the project in `root`. */
export function startCli(root: string, ...args: string[]): CliProcess {
  return launch(root, args, {})
}

function launch(root: string, args: readonly string[], { env, ...user }: CliSurroundings): CliProcess {
  const child = spawn(process.execPath, [MAIN, '--root', root, ...args], {
    ...user,
    env: { ...process.env, ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // It may leave before it has read everything.
  child.stdin.on('error', () => {})
  return {
    process: child,
    lines: () => stdout.split('\n').slice(0, -1),
    ended: new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr }))),
  }
}

/** Runs `file-signal ARGS` to its end, with `input` on stdin. */
export function runCli(
  root: string,
  args: readonly string[],
  input: string | Buffer = '',
  surroundings: CliSurroundings = {},
): Promise<CliResult> {
  const cli = launch(root, args, surroundings)
  cli.process.stdin.end(input)
  return cli.ended
}
