import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { LiveState } from 'file-signal/client'
import type { Browser, Page } from 'playwright-core'
import { until } from '../support/wait.js'
import { listen } from './web-server.js'

const CLIENT = readFileSync(new URL('../../dist/client/sse-client.js', import.meta.url))

/** A page that listens when it is told to, and notes what it is told: `heard` of the handlers, `states`. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
if (location.search === '?old') delete Response.prototype.body
const { listen } = await import('/sse-client.js')
window.errors = []
addEventListener('error', (event) => { errors.push(event.message); event.preventDefault() })
window.begin = (path, options, names) => {
  window.heard = []
  window.states = []
  window.live = listen(path, options)
  live.on('state', (state) => states.push(state))
  for (const name of names) live.on(name, (data, event) => heard.push([name, data, event]))
}
window.listen = listen
</script>`

/** Answers the n-th request for a path, counted from 1. */
export type Script = (response: ServerResponse, n: number, request: IncomingMessage) => void

/** A page in a browser, and a server that answers it as a test says. */
export interface ClientPage {
  readonly page: Page
  readonly url: string
  /** What was asked for since begin(). */
  readonly asked: IncomingMessage[]
  /** The query of each request. */
  queries(): URLSearchParams[]
  /** Listens with `options`, or what their text means in the page, and notes what handlers of `names` hear. */
  begin(script: Script, options?: object | string, names?: readonly string[]): Promise<void>
  states(): Promise<LiveState[]>
  /** Resolves with the states once one of them has this reason. */
  until(reason: string): Promise<LiveState[]>
  heard(): Promise<unknown[][]>
  /** Ends what was begun, and all connections. */
  end(): Promise<void>
  close(): Promise<void>
}

export async function openClientPage(browser: Browser): Promise<ClientPage> {
  const asked: IncomingMessage[] = []
  let answer: Script = (response) => void response.end()
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/sse-client.js'))
      return response.setHeader('Content-Type', 'text/javascript').end(CLIENT)
    if (!request.url?.startsWith('/stream')) return response.setHeader('Content-Type', 'text/html').end(PAGE)
    asked.push(request)
    return answer(response, asked.length, request)
  })
  const url = `http://127.0.0.1:${await listen(server)}`
  const page = await (await browser.newContext()).newPage()
  await page.goto(url)
  await page.waitForFunction('window.listen')
  const states = () => page.evaluate<LiveState[]>('states')
  return {
    page,
    url,
    asked,
    queries: () => asked.map((request) => new URL(request.url ?? '', url).searchParams),
    begin: async (script, options = {}, names = []) => {
      asked.length = 0
      answer = script
      const given = typeof options === 'string' ? options : JSON.stringify(options)
      await page.evaluate(`begin('/stream', ${given}, ${JSON.stringify(names)})`)
    },
    states,
    until: (reason) =>
      until(async () => {
        const all = await states()
        return all.some((state) => state.reason === reason) && all
      }, `a state because of "${reason}"`),
    end: async () => {
      await page.evaluate('window.live?.close()')
      server.closeAllConnections()
    },
    heard: () => page.evaluate<unknown[][]>('heard'),
    close: async () => {
      await page.context().close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Begins a stream, and says what is given. */
export function say(response: ServerResponse, text: string): void {
  if (!response.headersSent) response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
  response.write(text)
}

/** `ready` at a cursor, with a short `retry:` before it. */
export function ready(id: string, heartbeat = 15_000): string {
  return `retry: 20\nevent: ready\nid: ${id}\ndata: {"heartbeat":${heartbeat}}\n\n`
}
