import type { FileSignalOptions, FileSignalStats, StreamOptions } from 'file-signal'
import { type Child, type ChildOptions, start } from './child.js'
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
export function startWeb(setup: WebSetup, env: ChildOptions['env'] = {}): Promise<Web> {
  return watchWeb(start('web', [JSON.stringify(setup)], { env }))
}

/** A web process that is ready, and takes no port before it is told to. */
export interface Parked {
  readonly child: Child
  listen(): Promise<Web>
}

/** Starts one, beside the process whose port it is to take. */
export function parkWeb(setup: WebSetup): Parked {
  const child = start('web', [JSON.stringify({ ...setup, parked: true })])
  return {
    child,
    listen: () => {
      child.send('listen')
      return watchWeb(child)
    },
  }
}

async function watchWeb(child: Child): Promise<Web> {
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
