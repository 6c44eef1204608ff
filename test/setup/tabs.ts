import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { createFileSignal, type FileSignal, memory, memorySignal } from 'file-signal'
import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import { until } from '../support/wait.js'
import { listen } from './web-server.js'

const CLIENT = fileURLToPath(new URL('../../dist/client/sse-client.js', import.meta.url))

/** Notes all that a client tells: events as [name, data, id, milliseconds], states as they are. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
import { listen } from '/sse-client.js'
window.heard = []
window.states = []
window.start = (url, options) => {
  window.live = listen(url, options)
  window.live.on('*', (data, event) => window.heard.push([event.event, data, event.id, Date.now()]))
  window.live.on('reset', (data) => window.heard.push(['reset', data, '', Date.now()]))
  window.live.on('end', (data) => window.heard.push(['end', data, '', Date.now()]))
  window.live.on('state', (state) => window.states.push({ ...state, at: Date.now() }))
}
</script>`

/** An event as the page noted it: name, data, id and the moment. */
export type Heard = [event: string | null, data: unknown, id: string, at: number]

export interface NotedState {
  state: string
  reason: string
  role: string
  at: number
}

/** A site with streams whose key is the user that a cookie names, and what it saw of its clients. */
export interface Site {
  readonly url: string
  readonly events: FileSignal
  /** Streams that are open now, by the user's key; questions that end by themselves are none. */
  readonly lines: ReadonlyMap<ServerResponse, string>
  /** How many questions that end by themselves were asked. */
  asked: number
  /** Answers every stream with this status instead, where it is not 0. */
  status: number
  close(): Promise<void>
}

/** Starts it on this machine; `localhost` and 127.0.0.1 are secure contexts. */
export async function startSite(): Promise<Site> {
  const events = createFileSignal({ payload: memory(), signal: memorySignal(), retry: 20 })
  const stream = events.handler(userOf)
  const replaying = events.handler(userOf, { replay: 3 })
  const counting = events.handlerFrom(() => ({ tick: Date.now() }), { every: 100, share: true })
  const lines = new Map<ServerResponse, string>()
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost')
    if (url.pathname === '/sse-client.js') return send(response, 'text/javascript', readFileSync(CLIENT))
    if (!url.pathname.endsWith('.sse')) return send(response, 'text/html', PAGE)
    const mode = url.searchParams.get('mode')
    if (mode) site.asked += 1
    else if (request.method === 'GET') {
      lines.set(response, String(userOf(request)))
      response.on('close', () => lines.delete(response))
    }
    if (site.status) return response.writeHead(site.status).end()
    const handler = { '/replay.sse': replaying, '/count.sse': counting }[url.pathname] ?? stream
    return void handler(request, response)
  })
  const port = await listen(server)
  const site: Site = {
    url: `http://127.0.0.1:${port}`,
    events,
    lines,
    asked: 0,
    status: 0,
    close: async () => {
      await events.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return site
}

function userOf(request: Pick<IncomingMessage, 'headers'>): string | null {
  const user = /user=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'all'
  return user === 'nobody' ? null : user
}

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.writeHead(200, { 'Content-Type': type }).end(body)
}

/** One tab, and what a test asks of it. */
export interface Tab {
  readonly page: Page
  readonly cdp: CDPSession
  start(path: string, options?: object): Promise<void>
  heard(): Promise<Heard[]>
  states(): Promise<NotedState[]>
  /** The data of the events, without resets and ends. */
  data(): Promise<unknown[]>
  state(): Promise<NotedState>
}

export async function openTab(context: BrowserContext, site: Site): Promise<Tab> {
  const page = await context.newPage()
  await page.goto(site.url)
  const cdp = await context.newCDPSession(page)
  const tab: Tab = {
    page,
    cdp,
    start: async (path, options = { share: true }) => {
      await page.evaluate(`start(${JSON.stringify(path)}, ${JSON.stringify(options)})`)
    },
    heard: () => page.evaluate('heard'),
    states: () => page.evaluate('states'),
    data: async () =>
      (await tab.heard()).filter(([event]) => event !== 'reset' && event !== 'end').map(([, data]) => data),
    state: () => page.evaluate('live.state'),
  }
  return tab
}

/** Opens tabs of one browser that share, and resolves once all are open and one of them leads. */
export async function openTabs(
  context: BrowserContext,
  site: Site,
  count: number,
  path = '/stream.sse',
): Promise<Tab[]> {
  const tabs = await Promise.all(Array.from({ length: count }, () => openTab(context, site)))
  await Promise.all(tabs.map((tab) => tab.start(path)))
  await until(() => areOpen(tabs), `${count} open tabs`, 10_000)
  return tabs
}

export async function areOpen(tabs: readonly Tab[]): Promise<boolean> {
  const states = await Promise.all(tabs.map((tab) => tab.state()))
  return (
    states.every(({ state }) => state === 'open') &&
    states.filter(({ role }) => role === 'leader').length === 1
  )
}

/** The one of the tabs that leads; those that are stopped and do not answer are not waited for. */
export function leaderOf(tabs: readonly Tab[]): Promise<Tab> {
  const isLeading = async (tab: Tab) => {
    if ((await tab.state()).role !== 'leader') throw new Error('it follows')
    return tab
  }
  return until(() => Promise.any(tabs.map(isLeading)), 'a leader')
}

/** The process that runs a tab: the one that is busy while the tab is. */
export async function rendererOf(tab: Tab, browser: CDPSession): Promise<number> {
  const before = await cpuTimes(browser)
  await tab.page.evaluate('{ const end = performance.now() + 150; while (performance.now() < end); }')
  const spent = [...(await cpuTimes(browser))].map(
    ([pid, time]) => [pid, time - (before.get(pid) ?? time)] as const,
  )
  return spent.reduce((most, next) => (next[1] > most[1] ? next : most))[0]
}

async function cpuTimes(browser: CDPSession): Promise<Map<number, number>> {
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo')
  return new Map(
    processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]),
  )
}
