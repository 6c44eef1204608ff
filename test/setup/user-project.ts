import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshFolder } from '../support/folder.js'
import { until } from '../support/wait.js'
import { freePort } from './web-server.js'

const HERE = fileURLToPath(new URL('../../', import.meta.url))

/** A project of its own that has installed file-signal and `libraries`. `npm init` writes the type "commonjs". */
export function userProject(
  files: Record<string, string> = {},
  type: 'module' | 'commonjs' = 'module',
  libraries: readonly string[] = ['koa', '@koa/router'],
): string {
  const root = freshFolder()
  mkdirSync(join(root, 'node_modules/@koa'), { recursive: true })
  symlinkSync(HERE, join(root, 'node_modules/file-signal'))
  for (const name of libraries) {
    symlinkSync(join(HERE, 'node_modules', name), join(root, 'node_modules', name))
  }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'an-app', type }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

export interface UserServer {
  readonly address: string
  readonly child: ChildProcess
  /** Ends it, and waits. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

/** Starts a server of a project on a free port; resolves once it answers. `args` are those of node. */
export async function startServer(
  root: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<UserServer> {
  const port = await freePort()
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env, PORT: String(port) },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const address = `http://127.0.0.1:${port}`
  const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
    child.kill(signal)
    return ended
  }
  try {
    await until(
      () => fetch(address, { headers: { Connection: 'close' } }),
      `${args.at(-1)} to answer`,
      10_000,
    )
  } catch (error) {
    await stop('SIGKILL')
    throw error
  }
  return { address, child, stop }
}
