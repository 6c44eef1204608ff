import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findProgram } from '../setup/program.js'
import { noSecondUser } from '../support/child.js'

/** How a command ended, and what it wrote. */
export interface Ran {
  code: number | null
  stdout: string
  stderr: string
}

/** The project that a run plays with: a folder, on a small file system of its own where that can be had. */
export interface World {
  /** Holds the log, and the root. */
  readonly folder: string
  readonly root: string
  readonly store: string
  readonly signalFile: string
  readonly signalFolder: string
  /** Whether the root lies on a tmpfs of its own, which may be filled. */
  readonly isSmall: boolean
  /** Who the processes of the run are; empty where they are as we are. */
  readonly user: { uid?: number; gid?: number }
  /** Runs a program as that user, at most a minute; never rejects. */
  run(command: string, args: readonly string[], input?: string): Promise<Ran>
  /** Runs SQL, and commands with a dot, in the sqlite3 shell on the store or on another file. */
  sqlite(sql: string, file?: string): Promise<Ran>
  /** Unmounts, and removes all but the log; everything where `whole`. Idempotent. */
  close(whole: boolean): void
}

/** The folder of the built project. */
export const PROJECT = fileURLToPath(new URL('../../', import.meta.url))

const TMPFS_SIZE = '448m'

export function createWorld(): World {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'file-signal-faults-')))
  const user = noSecondUser() === null ? { uid: 65534, gid: 65534 } : {}
  const root = mkdtempSync(join(folder, 'root-'))
  chmodSync(folder, 0o755)
  const isSmall = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${TMPFS_SIZE}`, 'tmpfs', root]).status === 0
  if (user.uid) chownSync(root, user.uid, user.gid)
  chmodSync(root, 0o755)
  writeFileSync(join(root, 'package.json'), '{"name":"faults","type":"module"}')
  const store = join(root, 'data/sse_payloads.sqlite')
  const signalFolder = join(root, 'tmp/sse_signals')
  let isMounted = isSmall

  function run(command: string, args: readonly string[], input = ''): Promise<Ran> {
    return new Promise((resolve) => {
      const env = { ...process.env, FILE_SIGNAL_ROOT: root, HOME: root, TMPDIR: folder }
      const child = spawn(command, args, { ...user, cwd: root, env, stdio: 'pipe', timeout: 60_000 })
      const ran: Ran = { code: null, stdout: '', stderr: '' }
      child.stdout.on('data', (data) => (ran.stdout += data))
      child.stderr.on('data', (data) => (ran.stderr += data))
      child.stdin.on('error', () => {}).end(input)
      child.once('error', (error) => resolve({ ...ran, stderr: error.message }))
      child.once('close', (code) => resolve({ ...ran, code }))
    })
  }

  return {
    folder,
    root,
    store,
    signalFile: join(signalFolder, 'events.signal'),
    signalFolder,
    isSmall,
    user,
    run,
    sqlite: (sql, file = store) =>
      run(findProgram('sqlite3') ?? 'sqlite3', [file], `.timeout 3000\n${sql}\n`),
    close: (whole) => {
      if (isMounted) isMounted = spawnSync('umount', ['-l', root]).status !== 0
      rmSync(whole ? folder : root, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}
