import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { freshFolder } from '../support/folder.js'
import { until } from '../support/wait.js'

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url))

export interface RunningExample {
  /** The address that it has printed, with a slash at its end. */
  readonly address: string
  /** The project root that it was given: its store lies there. */
  readonly root: string
  /** Ends it as a deploy does. Resolves with its exit code, null where that took more than 5 s. */
  stop(): Promise<number | null>
}

/** Starts the server of examples/NAME/ on a free port, with a new project root of its own. */
export async function startExample(name: string, env: Record<string, string> = {}): Promise<RunningExample> {
  const root = freshFolder()
  const child = spawn(process.execPath, [`${EXAMPLES}${name}/server.js`], {
    env: { ...process.env, PORT: '0', FILE_SIGNAL_ROOT: root, ...env },
    stdio: 'pipe',
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  let printed = ''
  for (const output of [child.stdout, child.stderr]) {
    output.setEncoding('utf8').on('data', (text: string) => {
      printed += text
    })
  }
  async function stop(): Promise<number | null> {
    child.kill('SIGTERM')
    const rescue = setTimeout(() => child.kill('SIGKILL'), 5000)
    const code = await ended
    clearTimeout(rescue)
    return code
  }

  try {
    const [address] = await until(() => {
      if (child.exitCode !== null) throw new Error(printed)
      return /http:\/\/[\w.]+:[1-9]\d*/.exec(printed)
    }, `the address of ${name}`)
    return { address: `${address}/`, root, stop }
  } catch (error) {
    await stop()
    throw error
  }
}
