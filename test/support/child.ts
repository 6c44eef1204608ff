import { type ChildProcess, spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  uid?: number
  gid?: number
  cwd?: string
  /** Added to this process's environment; undefined removes a name. */
  env?: Record<string, string | undefined>
  /** A command that runs the one given behind it, e.g. unshare. */
  prefix?: readonly string[]
}

/** How a child ended, and all that it wrote. */
export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface Child {
  process: ChildProcess
  /** The lines written to stdout so far. */
  lines: string[]
  /** Writes a line to the child's stdin. */
  send(line: string): void
  ended: Promise<Ended>
  /** Ends it by its own pid, and waits. */
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

/** The compiled path of test/fixtures/NAME.ts. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}.js`, import.meta.url))
}

/** Starts a fixture in a process of its own. */
export function start(name: string, args: readonly string[] = [], options: ChildOptions = {}): Child {
  const { env, prefix = [], ...rest } = options
  const [command = '', ...words] = [...prefix, process.execPath, fixture(name), ...args]
  const child = spawn(command, words, {
    ...rest,
    env: { ...process.env, ...env },
    stdio: 'pipe',
  })
  const lines: string[] = []
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    lines.splice(0, lines.length, ...stdout.split('\n').slice(0, -1))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  // A child that has gone already breaks the pipe; how it ended tells the story.
  child.stdin.on('error', () => {})
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    process: child,
    lines,
    send: (line) => void child.stdin.write(`${line}\n`),
    ended,
    stop: (signal = 'SIGKILL') => {
      child.kill(signal)
      return ended
    },
  }
}

/** Runs a fixture to its end. */
export function run(name: string, args: readonly string[] = [], options: ChildOptions = {}): Promise<Ended> {
  const child = start(name, args, options)
  child.process.stdin?.end()
  return child.ended
}

/**
 * Why no other user can run fixtures here, or null where one can: it takes root, and a checkout that
 * others may read. Tests that need it skip out loud: `const why = noSecondUser(); if (why) skip(this, why)`.
 */
export function noSecondUser(): string | null {
  if (process.getuid?.() !== 0) return 'only root can start a process of another user'
  for (let path = fileURLToPath(import.meta.url); path !== dirname(path); path = dirname(path)) {
    if ((statSync(path).mode & 0o004) === 0) return `other users may not read ${path}`
  }
  return null
}
