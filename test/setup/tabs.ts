import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
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
  readonly port: number
  readonly events: FileSignal
  /** Streams that are open now, with their user; questions that end by themselves are none. */
  readonly lines: ReadonlyMap<ServerResponse, string>
  /** How many streams were asked for. */
  opened: number
  /** How many questions that end by themselves were asked. */
  asked: number
  /** Statuses with which the next streams are refused, in turn. */
  refusals: number[]
  /** Seconds before which those who are refused are not to ask again. */
  retryAfter: number
  /** Breaks all connections of streams. */
  cut(): void
  /** Goes on with another store, as after a restore: cursors are not honoured. */
  replaceStore(): Promise<void>
  close(): Promise<void>
}

/** Starts it on this machine, where plain http is as good as https: tabs may share. */
export async function startSite(): Promise<Site> {
  let store = openStore()
  const lines = new Map<ServerResponse, string>()
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
    if (pathname === '/sse-client.js') return send(response, 'text/javascript', readFileSync(CLIENT))
    const handler = store.handlers[pathname]
    if (!handler) return send(response, 'text/html', PAGE)
    if (searchParams.has('mode')) site.asked += 1
    else if (request.method === 'GET') {
      site.opened += 1
      const status = site.refusals.shift()
      if (status) return response.writeHead(status, { 'Retry-After': site.retryAfter }).end()
      lines.set(response, userOf(request))
      response.on('close', () => lines.delete(response))
    }
    return void handler(request, response)
  })
  const port = await listen(server)
  const site: Site = {
    url: `http://127.0.0.1:${port}`,
    port,
    get events() {
      return store.events
    },
    lines,
    opened: 0,
    asked: 0,
    refusals: [],
    retryAfter: 0,
    cut: () => {
      for (const response of lines.keys()) response.destroy()
    },
    replaceStore: async () => {
      const old = store
      store = openStore()
      await old.events.close()
    },
    close: async () => {
      await store.events.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return site
}

interface Store {
  readonly events: FileSignal
  readonly handlers: Readonly<
    Record<string, (request: IncomingMessage, response: ServerResponse) => Promise<void>>
  >
}

function openStore(): Store {
  const events = createFileSignal({ payload: memory(), signal: memorySignal(), retry: 20 })
  let ticks = 0
  const handlers = {
    '/stream.sse': events.handler(userOf),
    '/replay.sse': events.handler(userOf, { replay: 3 }),
    '/ticks.sse': events.handlerFrom(() => ticks++, { every: 50, share: true, replay: 'none' }),
    '/load.sse': events.handlerFrom(() => ticks++, { every: '10m', share: true }),
    '/own.sse': events.handlerFrom(async function* () {
      yield* [1, 2, 3]
    }),
    '/mail.sse': events.handler(userOf, { deliver: 'once' }),
    '/hooked.sse': events.handler('all', {
      beforeSend: ({ payload }, { req }) => `${payload} for ${userOf(req)}`,
    }),
    '/hooked-once.sse': events.handler('all', {
      beforeSend: ({ payload }) => `${payload} for all`,
      hydrate: 'once',
    }),
    '/other.sse': async (_: IncomingMessage, response: ServerResponse) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' }).end('id: a\ndata: 1\n\n')
    },
  }
  return { events, handlers }
}

function userOf(request: Pick<IncomingMessage, 'headers'>): string {
  return /user=(\w+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'all'
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
  /** The data of all that it heard. */
  data(): Promise<unknown[]>
  state(): Promise<NotedState>
}

export async function openTab(context: BrowserContext, url: string): Promise<Tab> {
  const page = await context.newPage()
  await page.goto(url)
  const tab: Tab = {
    page,
    cdp: await context.newCDPSession(page),
    start: async (path, options = {}) => {
      await page.evaluate(`start(${JSON.stringify(path)}, ${JSON.stringify({ share: true, ...options })})`)
    },
    heard: () => page.evaluate('heard'),
    states: () => page.evaluate('states'),
    data: async () => (await tab.heard()).map(([, data]) => data),
    state: () => page.evaluate('live.state'),
  }
  return tab
}

/** Opens tabs of one browser that share, and resolves once all are in that state and one of them leads. */
export async function openTabs(
  context: BrowserContext,
  site: Pick<Site, 'url'>,
  count: number,
  path = '/stream.sse',
  state = 'open',
): Promise<Tab[]> {
  const tabs = await Promise.all(Array.from({ length: count }, () => openTab(context, site.url)))
  await Promise.all(tabs.map((tab) => tab.start(path)))
  await until(() => shares(tabs, state), `${count} tabs that share, ${state}`, 10_000)
  return tabs
}

/** Whether all tabs are in this state, and one of them leads. */
export async function shares(tabs: readonly Tab[], wanted = 'open'): Promise<boolean> {
  const states = await Promise.all(tabs.map((tab) => tab.state()))
  return (
    states.every(({ state }) => state === wanted) &&
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

/** Milliseconds until the machine has let a tab work while the others rest. */
const PATIENCE = 30_000

/** The process that runs a tab: the one that is busy while the tab is, and without which the tab does not answer. */
export async function rendererOf(tab: Tab, browser: CDPSession): Promise<number> {
  return until(
    async () => {
      const before = await cpuTimes(browser)
      await tab.page.evaluate('{ const end = performance.now() + 100; while (performance.now() < end); }')
      const times = [...(await cpuTimes(browser))]
      const spent = times.map(([pid, time]) => ({ pid, time: time - (before.get(pid) ?? time) }))
      const [most, next] = spent.sort((a, b) => b.time - a.time)
      return most && most.time > 3 * (next?.time ?? 0) && (await isSilentWithout(most.pid, tab)) && most.pid
    },
    'the process of a tab',
    PATIENCE,
  )
}

async function isSilentWithout(pid: number, tab: Tab): Promise<boolean> {
  process.kill(pid, 'SIGSTOP')
  try {
    return (await Promise.race([tab.page.evaluate('false'), sleep(200, true)])) as boolean
  } finally {
    process.kill(pid, 'SIGCONT')
  }
}

/** Seconds that each renderer has worked. */
async function cpuTimes(browser: CDPSession): Promise<Map<number, number>> {
  const { processInfo } = await browser.send('SystemInfo.getProcessInfo')
  return new Map(
    processInfo.filter(({ type }) => type === 'renderer').map(({ id, cpuTime }) => [id, cpuTime]),
  )
}
