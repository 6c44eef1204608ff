import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { findProgram } from '../setup/program.js'
import { until } from '../support/wait.js'
import { USER } from './user.js'

export interface ServerProcess {
  readonly port: number
  readonly pid: number
  stop(): Promise<void>
}

export interface ServerCommand {
  readonly program: string
  readonly args: readonly string[]
  /** Where it will listen, on the loopback. */
  readonly port: number
  /** Quoted when it does not start. */
  readonly log: string
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

/** How long a server may take to end by itself: Apache under Passenger may wait for ever for a stream that it holds. */
const GRACE = 1000

/** Leaders of the groups that run, for a test run that ends before it has stopped them. */
const groups = new Set<number>()
process.once('exit', () => {
  for (const pid of groups) killGroup(pid)
})

/** Starts a server in the foreground, in a process group of its own; resolves once its port accepts. */
export async function startProcess(command: ServerCommand): Promise<ServerProcess> {
  const { program, args, port, cwd } = command
  const child = spawn(findProgram(program) ?? program, args, {
    ...USER,
    cwd,
    detached: true,
    env: { ...process.env, HOME: cwd, ...command.env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaints += text
  })
  const pid = child.pid ?? 0
  groups.add(pid)
  let isGone = false
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', () => {
      isGone = true
      resolve()
    })
  })
  ended.catch(() => {})

  async function stop(): Promise<void> {
    if (!isGone) child.kill('SIGTERM')
    const rescue = setTimeout(() => killGroup(pid), GRACE)
    await ended
    clearTimeout(rescue)
    // What it has forked goes with it.
    killGroup(pid)
    groups.delete(pid)
    child.stderr.destroy()
  }

  try {
    await until(async () => isGone || (await accepts(port)), `${program} to listen on ${port}`, 15_000)
    if (isGone) throw new Error(`${program} ended at once`)
  } catch (cause) {
    await stop().catch(() => {})
    const log = existsSync(command.log) ? readFileSync(command.log, 'utf8') : ''
    throw new Error(`${program} did not start: ${complaints}${log}`, { cause })
  }
  return { port, pid, stop }
}

function killGroup(pid: number): void {
  try {
    if (pid > 0) process.kill(-pid, 'SIGKILL')
  } catch {}
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
