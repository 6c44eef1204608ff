import { randomBytes } from 'node:crypto'
import type { RequestListener, ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import type { Browser, Page } from 'playwright-core'
import { type Hostile, serveHttp, serveRaw } from './setup/hostile.js'
import {
  begin,
  loadPage,
  type Story,
  type StoryState,
  stateNames,
  storyOf,
  withPage,
} from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { until } from './support/wait.js'

const STREAM = { 'Content-Type': 'text/event-stream', 'Access-Control-Allow-Origin': '*' }
const PIECE = 'x'.repeat(64 * 1024)
const MEGABYTE = 1024 * 1024
/** How long each server is watched, in milliseconds. */
const WATCH = 2000

/** A server that is no stream, or a bad one, and what the client must make of it. */
interface Bad {
  readonly name: string
  readonly serve: RequestListener | 'raw'
  /** The last state and its reason, and what its message says. */
  readonly state: string
  readonly message: RegExp
  /** So many requests at most while it is watched. */
  readonly requests: number
  readonly status?: number
}

/** How often each server was asked. */
const requests = new Map<string, number>()
/** Streams that had no end, and whom somebody left. */
let left = 0
let written = 0

/** Writes pieces for ever, each when the one before has gone. */
function pour(response: ServerResponse, piece: string): void {
  response.once('close', () => {
    left += 1
  })
  const next = (): void => {
    if (response.destroyed) return
    written += piece.length
    response.write(piece, next)
  }
  next()
}

const BAD: readonly Bad[] = [
  {
    name: 'an HTML page with 200',
    serve: (_, response) => {
      response.writeHead(200, { ...STREAM, 'Content-Type': 'text/html' }).end('<h1>Please log in</h1>')
    },
    state: 'closed: not-a-stream',
    message: /text\/html/,
    status: 200,
    requests: 1,
  },
  {
    name: 'a line of 10 MB',
    serve: (_, response) => {
      response.writeHead(200, STREAM).end(`data: ${'x'.repeat(10 * MEGABYTE)}\n\n`)
    },
    state: 'closed: too-long',
    message: /too long/,
    requests: 1,
  },
  {
    name: 'an endless line',
    serve: (_, response) => {
      response.writeHead(200, STREAM).write('data: ')
      pour(response, PIECE)
    },
    state: 'closed: too-long',
    message: /too long/,
    requests: 1,
  },
  {
    name: 'an endless event of short lines',
    serve: (_, response) => {
      response.writeHead(200, STREAM)
      pour(response, 'data: one of many lines\n'.repeat(3000))
    },
    state: 'closed: too-long',
    message: /too long/,
    requests: 1,
  },
  {
    name: 'bytes that are no HTTP',
    serve: 'raw',
    state: 'waiting: network',
    message: /the server is away, or refuses this origin/,
    requests: 2,
  },
  {
    name: 'a stream of random bytes that ends',
    serve: (_, response) => {
      response.writeHead(200, STREAM).end(randomBytes(MEGABYTE))
    },
    state: 'waiting: cut',
    message: /has ended/,
    requests: 2,
  },
  {
    name: 'a stream that asks for a retry of 1 ms, and ends at once',
    serve: (_, response) => {
      response.writeHead(200, STREAM).end('retry: 1\nid: e-1\nevent: ready\ndata: {"heartbeat":15000}\n\n')
    },
    state: 'waiting: cut',
    message: /has ended/,
    requests: 25,
  },
  {
    name: 'a stream of another make, with words of its own',
    serve: (_, response) => {
      response
        .writeHead(200, STREAM)
        .write('event: hello\ndata: you\n\nevent: ready\ndata: steady\n\nevent: reset\ndata: no\n\n')
    },
    state: 'open: ready',
    message: /is open/,
    // A stream that goes on without a second hello is probed beside it.
    requests: 2,
  },
  {
    name: 'a stream of another make, whose words are null, and whose heartbeat is less than none',
    serve: (_, response) => {
      response
        .writeHead(200, STREAM)
        .write(
          'event: hello\ndata: null\n\nevent: ready\ndata: null\n\nevent: ready\ndata: {"heartbeat":-1}\n\n',
        )
    },
    state: 'open: ready',
    message: /is open/,
    requests: 2,
  },
  {
    name: 'a heartbeat that is shorter than the pauses of a busy server',
    serve: (_, response) => {
      response.writeHead(200, STREAM).write('id: e-1\nevent: ready\ndata: {"heartbeat":20}\n\n')
      const beat = setInterval(() => response.write(':\n'), 400)
      response.once('close', () => clearInterval(beat))
    },
    state: 'open: ready',
    message: /is open/,
    requests: 1,
  },
  {
    name: 'redirects in a circle',
    serve: (request, response) => {
      response.writeHead(302, { ...STREAM, Location: request.url ?? '/' }).end()
    },
    state: 'waiting: network',
    message: /the server is away, or refuses this origin/,
    // Chromium follows 20 redirects before it gives up.
    requests: 2 * 21,
  },
  {
    name: 'a server that is broken',
    serve: (_, response) => {
      response.writeHead(500, STREAM).end('oops')
    },
    state: 'waiting: server',
    message: /500/,
    status: 500,
    requests: 2,
  },
  {
    name: 'a server that forbids',
    serve: (_, response) => {
      response.writeHead(403, STREAM).end('Forbidden')
    },
    state: 'closed: refused',
    message: /403/,
    status: 403,
    requests: 1,
  },
]

/** Calls that are wrong, and what the TypeError must name. */
const WRONG: readonly { name: string; url: string; options: object; names: readonly RegExp[] }[] = [
  { name: 'an unknown option', url: '/x.sse', options: { shared: true }, names: [/shared/, /\bshare\b/] },
  { name: 'an option of the wrong type', url: '/x.sse', options: { share: 'yes' }, names: [/share/] },
  { name: 'a header that is no text', url: '/x.sse', options: { headers: 'X-A: 1' }, names: [/headers/] },
  { name: 'an address that cannot be parsed', url: 'http://[', options: {}, names: [/http:\/\/\[/] },
  { name: 'a data: address', url: 'data:text/event-stream,data: 1', options: {}, names: [/data:/] },
  { name: 'a file: address', url: 'file:///etc/passwd', options: {}, names: [/file:/] },
]

describe('the client, given what is no stream', function () {
  this.timeout(60_000)
  let browser: Browser
  let page: Page
  let greedy: Page
  const servers: Hostile[] = []
  const stories = new Map<string, Story>()
  let heap = 0

  async function serve({ name, serve: listener }: Bad): Promise<Hostile> {
    const count = () => void requests.set(name, (requests.get(name) ?? 0) + 1)
    const server = await (listener === 'raw'
      ? serveRaw((socket) => {
          count()
          socket.end(randomBytes(4096))
        })
      : serveHttp((request, response) => {
          if (request.method === 'GET') count()
          listener(request, response)
        }))
    servers.push(server)
    return server
  }

  /** The JavaScript heap of the page with the endless streams, in bytes, at its highest. */
  async function watchHeap(end: number): Promise<void> {
    const cdp = await greedy.context().newCDPSession(greedy)
    await cdp.send('Performance.enable')
    while (performance.now() < end) {
      const { metrics } = await cdp.send('Performance.getMetrics')
      heap = Math.max(heap, metrics.find(({ name }) => name === 'JSHeapUsedSize')?.value ?? 0)
      await pause(20)
    }
  }

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    const site = await serveHttp(withPage((_, response) => void response.writeHead(404).end()))
    servers.push(site)
    const context = await browser.newContext()
    page = await context.newPage()
    greedy = await (await browser.newContext()).newPage()
    await Promise.all([loadPage(page, site.url), loadPage(greedy, site.url)])
    for (const bad of BAD) {
      const where = bad.name.startsWith('an endless') ? greedy : page
      await begin(where, bad.name, `${(await serve(bad)).url}/x.sse`)
    }
    for (const wrong of WRONG) await begin(page, wrong.name, wrong.url, wrong.options)
    await watchHeap(performance.now() + WATCH)
    for (const { name, state } of BAD) {
      const where = name.startsWith('an endless') ? greedy : page
      const isTold = async () => stateNames(await storyOf(where, name)).includes(state)
      await until(isTold, state).catch(() => {})
      stories.set(name, await storyOf(where, name))
    }
    for (const { name } of WRONG) stories.set(name, await storyOf(page, name))
    // Pages that go on asking would look like something that a test has left behind.
    await browser.close()
  })
  after(async () => {
    await browser?.close()
    await Promise.all(servers.map((server) => server.stop()))
  })

  for (const bad of BAD) {
    it(`says what is wrong with ${bad.name}, and asks ${bad.requests === 1 ? 'once' : `${bad.requests} times at most`}`, () => {
      const { states, heard } = stories.get(bad.name) as Story
      const last = states.at(-1) as StoryState
      // While it asks again, the state before tells what came of the last time.
      const told = last.state === 'connecting' ? (states.at(-2) as StoryState) : last
      expect(`${told.state}: ${told.reason}`).to.equal(bad.state)
      expect(told.message).to.match(bad.message)
      expect(told.status).to.equal(bad.status)
      expect(requests.get(bad.name)).to.be.within(1, bad.requests)
      expect(heard).to.deep.equal([])
    })
  }

  it('stops reading what has no end, and keeps little of it', () => {
    expect(heap).to.be.within(1, 100 * MEGABYTE)
    expect(left).to.equal(2)
    // What it keeps of each before it gives up; the browser reads ahead of a page on a slow machine.
    expect(written).to.be.within(2 * 8 * MEGABYTE, 100 * MEGABYTE)
  })

  for (const wrong of WRONG) {
    it(`refuses ${wrong.name} at the call, and names it`, () => {
      const { thrown, states } = stories.get(wrong.name) as Story
      expect(thrown).to.match(/^TypeError: /)
      for (const name of wrong.names) expect(thrown).to.match(name)
      expect(states).to.deep.equal([])
    })
  }
})
