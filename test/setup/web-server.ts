import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { request } from 'node:http'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { gunzipSync } from 'node:zlib'
import { until } from '../support/wait.js'

export interface RunningServer {
  port: number
  stop(): Promise<void>
}

/** Starts a real web server in the foreground; resolves once it answers. `log` is quoted when it does not. */
export async function startServer(
  program: string,
  args: readonly string[],
  port: number,
  log: string,
): Promise<RunningServer> {
  const child = spawn(program, args, { stdio: 'ignore' })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  try {
    await until(() => get(port, '/'), `${program} to answer`)
  } catch (cause) {
    child.kill('SIGKILL')
    throw new Error(existsSync(log) ? readFileSync(log, 'utf8') : 'no log', { cause })
  }
  return {
    port,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

export interface Answer {
  status: number | undefined
  headers: Record<string, string | string[] | undefined>
  body: string
}

/** Asks as a browser would, compression welcome; with `enough` it leaves as soon as that text is there. */
export function get(port: number, path: string, enough?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'Accept-Encoding': 'gzip, deflate' }
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      const answer = (): Answer => {
        const raw = Buffer.concat(chunks)
        const body = response.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw
        return { status: response.statusCode, headers: response.headers, body: body.toString() }
      }
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        if (!enough || !Buffer.concat(chunks).includes(enough)) return
        resolve(answer())
        asked.destroy()
      })
      response.on('end', () => resolve(answer()))
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** A port of the loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** Listens on a free port of the loopback, and resolves with it. */
export function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
