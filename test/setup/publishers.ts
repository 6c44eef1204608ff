import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { needProgram } from './program.js'

/** One language with its publisher in examples/publishers/ and its programs in test/fixtures/publishers/. */
export interface Language {
  readonly name: string
  readonly program: string
  readonly debianPackages: string
  /** What it says of a program that exits with 0 where the language can use SQLite. */
  readonly probe: readonly string[]
  /** Ending of its fixtures' names. */
  readonly ending: string
  readonly publisher: string
  /** A program that includes the publisher, calls it as `expression` says and prints id or error. */
  readonly call: (expression: string) => readonly string[]
}

const EXAMPLES = new URL('../../examples/publishers/', import.meta.url)
const FIXTURES = new URL('../../test/fixtures/publishers/', import.meta.url)
const inExamples = (name: string) => fileURLToPath(new URL(name, EXAMPLES))

export const LANGUAGES: readonly Language[] = [
  {
    name: 'PHP',
    program: 'php',
    debianPackages: 'php-cli php-sqlite3',
    probe: ['-r', 'exit((int) !extension_loaded("pdo_sqlite"));'],
    ending: 'php',
    publisher: inExamples('file-signal.php'),
    call: (expression) => [
      '-r',
      `require '${inExamples('file-signal.php')}';
       try { echo file_signal(${expression}); } catch (FileSignalError $e) { echo $e->getMessage(); }`,
    ],
  },
  {
    name: 'Python',
    program: 'python3',
    debianPackages: 'python3',
    probe: ['-c', 'import sqlite3'],
    ending: 'py',
    publisher: inExamples('file_signal.py'),
    call: (expression) => [
      '-B',
      '-c',
      `import sys; sys.path.insert(0, '${inExamples('.')}')\nimport file_signal\n` +
        `try: print(file_signal.signal(${expression}), end='')\n` +
        `except file_signal.FileSignalError as error: print(error, end='')`,
    ],
  },
  {
    name: 'Ruby',
    program: 'ruby',
    debianPackages: 'ruby-sqlite3',
    probe: ['-rsqlite3', '-e', ''],
    ending: 'rb',
    publisher: inExamples('file_signal.rb'),
    call: (expression) => [
      '-e',
      `require '${inExamples('file_signal.rb')}'
       begin
         print FileSignal.signal(${expression})
       rescue FileSignal::Error => e
         print e.message
       end`,
    ],
  },
  {
    name: 'shell',
    program: 'sqlite3',
    debianPackages: 'sqlite3',
    probe: ['--version'],
    ending: 'sh',
    publisher: inExamples('file-signal.sh'),
    call: (expression) => ['-c', `. '${inExamples('file-signal.sh')}'; file_signal ${expression} 2>&1`],
  },
]

/** The interpreter of a language. Where it or its SQLite is missing the test skips, or fails on a build machine. */
export function interpreterOf(context: Mocha.Context, language: Language): string {
  const { program, probe, debianPackages } = language
  // The system's own comes first: other users may not run what stands in somebody's home.
  const own = `/usr/bin/${program}`
  const path = existsSync(own) ? own : needProgram(context, program, debianPackages)
  if (spawnSync(path, probe, { stdio: 'ignore' }).status !== 0) {
    needProgram(context, `SQLite for ${program}`, debianPackages)
  }
  return language.ending === 'sh' ? 'sh' : path
}

export interface Result {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

export interface RunOptions {
  env?: Record<string, string | undefined>
  cwd?: string
  uid?: number
  gid?: number
  input?: string
}

export interface Running {
  readonly pid: number
  kill(): void
  readonly ended: Promise<Result>
}

/** Starts a program of any language, from `/` as cron would, with UTF-8 but no locale. */
export function startProgram(program: string, args: readonly string[], options: RunOptions = {}): Running {
  const { env, input = '', ...rest } = options
  const child = spawn(program, args, {
    cwd: '/',
    ...rest,
    env: { PATH: process.env.PATH, ...env },
    stdio: 'pipe',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return {
    pid: child.pid ?? 0,
    kill: () => void child.kill('SIGKILL'),
    ended: new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    }),
  }
}

/** Runs a program to its end. */
export function runProgram(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<Result> {
  return startProgram(program, args, options).ended
}

/** The path of test/fixtures/publishers/NAME.ENDING. */
export function fixtureOf(language: Language, name: 'loop' | 'raw'): string {
  return fileURLToPath(new URL(`${name}.${language.ending}`, FIXTURES))
}
