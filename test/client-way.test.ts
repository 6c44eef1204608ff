import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import type { LiveState } from 'file-signal/client'
import type { Browser, Page } from 'playwright-core'
import { openClientPage, ready, say } from './setup/client-page.js'
import { type Hostile, serveBuffering, serveHttp } from './setup/hostile.js'
import {
  begin,
  firstFault,
  loadPage,
  type Story,
  spread,
  stateNames,
  storyOf,
  withPage,
} from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { serveTunnel, type Tunnel } from './setup/tunnel.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

/** Milliseconds: from one event to the next, the life of a connection that is cut, and of a network that stalls. */
const PACE = 100
const LIFE = 30_000
const STALL = 4000
/** Events of the key that is silent until shortly before the end: all then, one in a few milliseconds. */
const QUIET = 200
/** A dead line is noticed after 2.5 heartbeats. */
const HEARTBEAT = 2000

/** A way from a page to the app, and what becomes of it while events are published. */
interface Way<Server extends Hostile = Hostile> {
  readonly name: string
  open(port: number): Promise<Server>
  /** Happens before the page listens, and once it does. */
  before?(server: Server): void
  after?(server: Server, page: Page): Promise<void>
  /** Listens to the quiet key, where nothing but heartbeats proves that the line is there. */
  readonly isQuiet?: boolean
  /** All states that the client must tell of, in order, where it is known how often. */
  readonly states?: readonly string[]
  /** Whether the client takes it for a buffer: never, for as long as it listens, or until it is none any more. */
  readonly buffered: 'never' | 'always' | 'for a time'
}

const tunnel = (way: Omit<Way<Tunnel>, 'open' | 'buffered'>): Way<Tunnel> => ({
  open: (port) => serveTunnel(port),
  buffered: 'never',
  ...way,
})

const statesOf = async (page: Page) => stateNames(await storyOf(page, 'live'))

let passes = false
let broken = 0
const OPENED = ['connecting: start', 'open: ready']
const BROKEN = ['waiting: cut', 'connecting: cut', 'open: ready']
const SILENT = ['connecting: silent', 'open: ready']

const WAYS: readonly Way[] = [
  tunnel({ name: 'nothing', states: OPENED }),
  {
    name: 'a proxy that holds all until the end',
    open: (port) => serveBuffering(port, 'all'),
    buffered: 'always',
  },
  {
    name: 'a proxy that holds what follows the first piece',
    open: (port) => serveBuffering(port, 'what follows'),
    buffered: 'always',
  },
  { name: 'a proxy that holds 4 KiB', open: (port) => serveBuffering(port, '4 KiB'), buffered: 'always' },
  {
    name: 'a proxy that holds all, and then nothing',
    open: (port) => serveBuffering(port, () => (passes ? 'nothing' : 'all')),
    after: async (_, page) => {
      const isNoticed = async () => (await statesOf(page)).includes('buffered: held')
      await until(isNoticed, 'the buffer to be noticed', 15_000)
      passes = true
    },
    buffered: 'for a time',
  },
  {
    ...tunnel({ name: 'a proxy that cuts after 30 s', states: [...OPENED, ...BROKEN] }),
    open: (port) => serveTunnel(port, { life: LIFE }),
  },
  tunnel({
    name: 'a line that goes half-open, twice',
    after: async (line, page) => {
      for (const times of [1, 2]) {
        const opened = async () => (await statesOf(page)).filter((state) => state === 'open: ready').length
        await until(async () => (await opened()) === times, 'the stream', 15_000)
        // Not only a fresh connection is to be noticed.
        await pause(1000)
        line.forget()
      }
    },
    states: [...OPENED, ...SILENT, ...SILENT],
  }),
  tunnel({
    name: 'a network that stalls before the first byte',
    isQuiet: true,
    before: (line) => line.hold(),
    after: async (line) => {
      await pause(STALL)
      line.release()
    },
    states: OPENED,
  }),
  tunnel({
    name: 'a network that stalls after the first bytes',
    isQuiet: true,
    after: async (line, page) => {
      await until(async () => (await statesOf(page)).includes('open: ready'), 'the stream')
      line.hold()
      await pause(STALL)
      line.release()
    },
    states: OPENED,
  }),
  tunnel({
    name: 'nothing, while the page is busy for 3 s',
    isQuiet: true,
    after: (_, page) =>
      page.evaluate(`{ const end = performance.now() + 3000; while (performance.now() < end) {} }`),
    states: OPENED,
  }),
  {
    ...tunnel({
      name: 'a network that breaks thrice, after 300 ms',
      states: [...OPENED, ...BROKEN, ...BROKEN, ...BROKEN],
    }),
    open: (port) =>
      serveTunnel(port, {
        breakOff: () => {
          broken += 1
          return broken <= 3 ? 300 : null
        },
      }),
  },
]

describe('the client, whatever lies between it and the app', function () {
  this.timeout(90_000)
  let browser: Browser
  let events: FileSignal
  let site: Hostile
  const servers: Hostile[] = []
  const happenings: (Promise<void> | undefined)[] = []
  const stories = new Map<Way, Story>()
  /** Requests for the stream, by the number of the way. */
  const asked: string[][] = WAYS.map(() => [])
  /** Streams that a server was asked for which is slow to begin, and what was said of one that never does. */
  let streams = 0
  let silence: LiveState[] = []
  /** How often a token was asked for that takes longer than a first byte may. */
  let tokens = 0
  /** Milliseconds that a page waited which is said to be offline, and one whose line has died. */
  let offline = 0
  let patience = 0
  let published = 0
  const countFor = (way: Way) => (way.isQuiet ? QUIET : published)

  /** Opens the way, and a page that listens at its end. */
  async function walk(way: Way, number: number): Promise<Page> {
    const server = await way.open(site.port)
    servers.push(server)
    const page = await (await browser.newContext()).newPage()
    await loadPage(page, server.url)
    way.before?.(server)
    await begin(page, 'live', `/${way.isQuiet ? 'quiet' : 'orders'}.sse?way=${number}`)
    happenings.push(way.after?.(server, page))
    return page
  }

  async function publish(): Promise<void> {
    const end = performance.now() + LIFE + 1500
    while (performance.now() < end) {
      await events.signal('orders', { i: published, at: Date.now() })
      published += 1
      await pause(PACE)
    }
    for (let i = 0; i < QUIET; i += 1) {
      await events.signal('quiet', { i, at: Date.now() })
      await pause(1)
    }
  }

  async function meetSlow(): Promise<void> {
    const held: ServerResponse[] = []
    let probed = 0
    const client = await openClientPage(browser)
    await client.begin((response, _n, { url }) => {
      if (!url?.includes('mode=probe')) return void held.push(response)
      say(response, 'event: hello\ndata: {}\n\n')
      setTimeout(() => response.end('event: hello\ndata: {}\n\n', () => probed++), 300)
    })
    await until(() => probed === 2, 'a probe beside each of two streams', 15_000)
    await client.page.evaluate("fetch('/').then(() => 0)")
    say(held.at(-1) as ServerResponse, ready('aaaa-1'))
    await client.until('ready')
    streams = held.length
    await client.close()
  }

  async function meetSilent(): Promise<void> {
    const client = await openClientPage(browser)
    await client.begin((response, n) => {
      if (n > 1) return response.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders()
      say(response, ready('aaaa-1', 400))
      response.end()
    })
    await until(async () => (await client.states()).length >= 6, 'a pause', 15_000).catch(() => {})
    silence = await client.states()
    await client.close()
  }

  async function meetSlowToken(): Promise<void> {
    const client = await openClientPage(browser)
    await client.begin(
      (response) => say(response, ready('aaaa-1')),
      `{ token: () => {
        window.tokens = (window.tokens ?? 0) + 1
        return new Promise((give) => setTimeout(give, 3000, 't'))
      } }`,
    )
    await client.until('ready')
    tokens = await client.page.evaluate('window.tokens')
    await client.close()
  }

  /** Milliseconds from the end of the first answer, or all that comes of it, to the next request. */
  async function meetNext(offline: boolean): Promise<number> {
    const client = await openClientPage(browser)
    let from = 0
    let ms = 0
    const script = `Object.defineProperty(navigator, 'onLine', { get: () => ${!offline} })`
    await client.page.evaluate(script)
    await client.begin((response, n, { url }) => {
      if (url?.includes('mode=probe')) return response.writeHead(503).end()
      ms ||= n > 1 ? performance.now() - from : 0
      from = performance.now()
      say(response, ready('aaaa-1', 4000))
      if (offline) response.end()
    })
    await until(() => ms, 'the next request', 40_000).catch(() => 0)
    await client.close()
    return ms
  }

  async function meetOthers(): Promise<void> {
    // Pages that load would be the load that another one's 300 ms are too short for.
    await until(() => broken > 3, 'the network that breaks', 15_000)
    const met = Promise.all([meetNext(true), meetNext(false)])
    await Promise.all([meetSlow(), meetSilent(), meetSlowToken()])
    ;[offline, patience] = await met
  }

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    events = createFileSignal({ root: freshFolder(), heartbeat: HEARTBEAT, retry: [100, 300] })
    const stream = events.handler((request) => /^\/(\w+)\.sse/.exec(request.url ?? '')?.[1] ?? null, {
      replay: 'all',
    })
    site = await serveHttp(
      withPage((request, response) => {
        asked[Number(/way=(\d+)/.exec(request.url ?? '')?.[1])]?.push(request.url ?? '')
        void stream(request, response)
      }),
    )
    const pages = await Promise.all(WAYS.map(walk))
    await Promise.all([publish(), ...happenings, meetOthers()])
    for (const [number, page] of pages.entries()) {
      const way = WAYS[number] as Way
      const story = () => storyOf(page, 'live')
      await until(async () => (await story()).heard.length >= countFor(way), 'the rest').catch(() => {})
      stories.set(way, await story())
    }
    await browser.close()
    print()
  })
  after(async () => {
    await browser?.close()
    await Promise.all([...servers, site].map((server) => server?.stop()))
    await events?.close()
  })

  function print(): void {
    console.log(
      `      ${published} events, one in ${PACE} ms; from publishing to the handler, in milliseconds:`,
    )
    console.log(`      ${'way'.padEnd(50)}half in  worst  requests`)
    for (const [number, way] of WAYS.entries()) {
      const { p50, worst } = spread(stories.get(way)?.late ?? [])
      const figures = [p50, worst, asked[number]?.length ?? 0].map((figure) => String(figure).padStart(7))
      console.log(`      ${way.name.padEnd(50)}${figures.join('  ')}`)
    }
  }

  function isBusy({ name }: Way): boolean {
    return name.includes('busy')
  }

  /** A machine that does not let the busy page go on in time looks like a way that holds the stream; once, and soon over. */
  function withoutDetour(way: Way, states: string[]): string[] {
    const at = isBusy(way) ? states.indexOf('buffered: held') : -1
    const isOver = at !== -1 && states[at + 1] === 'connecting: held' && states[at + 2] === 'open: ready'
    return isOver ? states.toSpliced(at, 3) : states
  }

  for (const [number, way] of WAYS.entries()) {
    it(`hears every event once and in order through ${way.name}`, () => {
      const story = stories.get(way) as Story
      expect(countFor(way)).to.be.at.least(200)
      expect(firstFault(story, countFor(way))).to.equal(null)
      expect(story.resets).to.deep.equal([])
    })

    it(`says how it stands: ${way.name}`, () => {
      const states = withoutDetour(way, stateNames(stories.get(way) as Story))
      if (way.states) expect(states).to.deep.equal(way.states)
      expect(states.join()).not.to.include('closed')
      if (way.buffered === 'never') expect(states.join()).not.to.include('buffered')
      else expect(states).to.include('buffered: held')
      expect(states.at(-1)).to.equal(way.buffered === 'always' ? 'buffered: held' : 'open: ready')
    })

    it(`does not ask without end: ${way.name}`, () => {
      // Short answers are 200 ms apart at least; a way that is watched is probed a few times.
      const most = way.buffered === 'never' ? (isBusy(way) ? 12 : 6) : (LIFE + 5000) / 200
      expect(asked[number]).to.have.lengthOf.within(1, most)
    })
  }

  it('asks a server once more that is slow to begin a stream, though it answers probes, and then waits for it', () => {
    expect(streams).to.equal(2)
  })

  it('says waiting: silent, and pauses, where not a byte has come twice in a row', () => {
    expect(silence.slice(0, 6).map(({ state, reason }) => `${state}: ${reason}`)).to.deep.equal([
      'connecting: start',
      'open: ready',
      'waiting: cut',
      'connecting: cut',
      'connecting: silent',
      'waiting: silent',
    ])
    expect(silence[5]).to.include({ message: 'the stream is silent' })
    expect(silence[5]?.retryIn).to.be.within(20, 60)
  })

  it('asks for a token once, though a probe needs it while it is still waited for', () => {
    expect(tokens).to.equal(1)
  })

  it('takes a line for dead after two and a half heartbeats', () => {
    expect(patience).to.be.within(10_000, 13_500)
  })

  it('asks every 30 s, though the browser says that there is no network', () => {
    expect(offline).to.be.within(29_900, 33_000)
  })
})
