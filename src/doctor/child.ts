import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { codeOf } from '../errors.js'
import { reasonOf } from './result.js'

/** How a child ended, and what it wrote. */
export interface ChildEnd {
  /** Null where it was killed or could not be started. */
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  /** Code of the failure to start it, such as ENOENT; null where it ran. */
  readonly unstarted: string | null
  readonly timedOut: boolean
}

/** No program that is asked here has so much to say. */
const MOST = 256 * 1024

/** Runs a program to its end, for at most `timeout` milliseconds. Never rejects. */
export function runChild(command: string, args: readonly string[], timeout: number): Promise<ChildEnd> {
  const out = { stdout: '', stderr: '' }
  let child: ChildProcess
  try {
    child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    // Node throws some faults, such as ENOMEM, and emits the others.
    const unstarted = codeOf(error) || reasonOf(error)
    return Promise.resolve({ code: null, signal: null, ...out, unstarted, timedOut: false })
  }
  return new Promise((resolve) => {
    let unstarted: string | null = null
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
      // A grandchild may hold the pipes open for longer.
      end(null, 'SIGKILL')
    }, timeout)

    function end(code: number | null, signal: string | null): void {
      clearTimeout(timer)
      child.stdout?.destroy()
      child.stderr?.destroy()
      resolve({ code, signal, ...out, unstarted, timedOut })
    }

    // First of all: a process out of descriptors gets a child without pipes, and an error that would end it unheard.
    child.once('error', (error) => {
      unstarted = codeOf(error) || reasonOf(error)
      end(null, null)
    })
    child.once('close', end)
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        if (out[name].length < MOST) out[name] += text
      })
    }
  })
}

/**
 * Runs a module of this folder in a Node of its own, with one value as its argument. Where things may
 * crash, or must happen in another process, a thread would not do.
 */
export function runModule(module: URL, value: unknown, timeout: number): Promise<ChildEnd> {
  // Of this process's own flags no other may go with it: among them may be `-e` with a script that runs this again.
  const flags = process.execArgv.filter((flag) => /^--(no-)?experimental-sqlite$/.test(flag))
  return runChild(process.execPath, [...flags, fileURLToPath(module), JSON.stringify(value)], timeout)
}
