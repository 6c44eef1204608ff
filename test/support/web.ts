import type { FileSignalOptions, FileSignalStats, StreamOptions } from 'file-signal'
import { type Child, start } from './child.js'
import { until } from './wait.js'

export interface Web {
  readonly url: string
  readonly port: number
  readonly child: Child
  stats(): Promise<FileSignalStats>
}

export interface WebSetup {
  port?: number
  keys: string[]
  options: FileSignalOptions
  /** Milliseconds that the claims of a mailbox last. */
  lease?: number
  stream?: StreamOptions<unknown>
}

/** Starts a web process, and resolves once it listens. */
export async function startWeb(setup: WebSetup): Promise<Web> {
  const child = start('web', [JSON.stringify(setup)])
  child.ended.then(({ code, stderr }) => {
    if (code) console.error(stderr)
  })
  const line = await until(() => child.lines[0], 'the web process to listen', 15_000)
  const port = Number(line)
  const base = `http://127.0.0.1:${port}`
  return {
    url: `${base}/x.sse`,
    port,
    child,
    stats: async () => (await fetch(`${base}/stats`)).json() as Promise<FileSignalStats>,
  }
}

export interface PublishSetup {
  key: string
  count: number
  from?: number
  gap?: number
  oneByOne?: boolean
  options: FileSignalOptions
}

/** Starts a publisher process. */
export function startPublisher(setup: PublishSetup, cwd?: string): Child {
  return start('publish', [JSON.stringify(setup)], cwd === undefined ? {} : { cwd })
}

/** What the publisher fixture sends. */
export interface Numbered {
  i: number
  at: number
}
