import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { until } from '../support/wait.js'
import { checkout, REPOSITORY } from './checkout.js'
import { giveToUser, USER, userFolder } from './user.js'

const SOURCES = join(REPOSITORY, 'test/servers/app')

/** A started app on a port of its own. */
export interface App {
  readonly root: string
  readonly port: number
  readonly pid: number
  openStreams(key: string): Promise<number>
  stop(): Promise<void>
}

/** Makes a project as a user has it: package.json, node_modules, the files of `sources`, and an empty public folder. */
export function makeProject(sources = SOURCES): string {
  const root = userFolder()
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: 'shop', private: true }))
  for (const folder of ['node_modules', 'node_modules/@koa', 'public', 'tmp']) {
    mkdirSync(join(root, folder))
    giveToUser(join(root, folder))
  }
  const { root: repository } = checkout()
  symlinkSync(repository, join(root, 'node_modules/file-signal'))
  for (const name of ['koa', '@koa/router']) {
    symlinkSync(join(repository, 'node_modules', name), join(root, 'node_modules', name))
  }
  for (const file of readdirSync(sources)) copyFileSync(join(sources, file), join(root, file))
  return root
}

/** Ended with the test run, should it end before it has stopped them. */
const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Starts the app of `root` on `port`, or on a free one; resolves once it listens. */
export async function startApp(root = makeProject(), port = 0): Promise<App> {
  const { PORT: _, ...env } = process.env
  const child = spawn(checkout().node, ['server.mjs'], {
    ...USER,
    cwd: root,
    env: { ...env, PORT: String(port) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.add(child)
  let printed = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  ended.then(() => running.delete(child))
  const line = await until(() => /^(\d+)\n/.exec(printed)?.[1], 'the app to listen', 15_000)
  return {
    root,
    port: Number(line),
    pid: child.pid as number,
    openStreams: (key) => askOpen(`http://127.0.0.1:${line}`, key),
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

let shared: { app: Promise<App>; users: number } | null = null

/** The one app behind all cells that proxy to a port: the last one to let go stops it. */
export async function shareApp(): Promise<App> {
  shared ??= { app: startApp(), users: 0 }
  const current = shared
  current.users += 1
  const app = await current.app
  let released = false
  return {
    ...app,
    async stop() {
      if (released) return
      released = true
      current.users -= 1
      if (current.users > 0) return
      shared = null
      await app.stop()
    },
  }
}

/** Asks the app at `base` how many streams of `key` it holds; `ca` is the certificate to trust. */
export function askOpen(base: string, key: string, ca?: string): Promise<number> {
  const url = `${base}/open?key=${encodeURIComponent(key)}`
  const options = { agent: false, ...(ca === undefined ? {} : { ca }) }
  return new Promise((resolve, reject) => {
    const onAnswer = async (response: IncomingMessage) => {
      try {
        resolve(((await json(response)) as { open: number }).open)
      } catch (error) {
        reject(error)
      }
    }
    const request = ca === undefined ? http.get(url, options, onAnswer) : https.get(url, options, onAnswer)
    request.on('error', reject)
  })
}
