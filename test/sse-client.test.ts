import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { runCli } from './setup/cli.js'
import { openPage, startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { createProject } from './setup/project.js'
import { listen } from './setup/web-server.js'
import { until } from './support/wait.js'

/** A page that notes what its handlers are given; its address says which stream it listens to. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
import { listen } from '/js/sse-client.js'
window.heard = []
window.opened = 0
window.EventSource = class extends EventSource {
  constructor(url) {
    super(url)
    window.opened += 1
  }
}
const note = (kind) => (...values) => window.heard.push([kind, ...values.map((value) => value instanceof Event ? value.lastEventId : value)])
window.stop = listen(location.hash.slice(1), {
  message: note('message'), named: { paid: note('paid') }, reset: note('reset'), end: note('end'), state: note('state'),
})
</script>`

describe('the browser file that init copies', () => {
  let browser: Browser
  let page: Page
  let root: string
  let events: FileSignal
  let server: Server
  let address: string
  let complaints: string[]
  /** A status other than 200 is given instead of the stream; no answer to a HEAD for 0. */
  let status: number
  let asked: IncomingMessage[]
  let looks: number

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
  })
  after(() => browser?.close())

  beforeEach(async () => {
    root = createProject()
    await runCli(root, ['init', '--yes'])
    events = createFileSignal({ root })
    const stream = events.handler('orders', { retry: 20 })
    const script = readFileSync(join(root, 'public/js/sse-client.js'))
    status = 200
    asked = []
    looks = 0
    server = createServer((request, response) => {
      if (request.url === '/') return response.setHeader('Content-Type', 'text/html').end(PAGE)
      if (request.url?.startsWith('/js/'))
        return response.setHeader('Content-Type', 'text/javascript').end(script)
      if (request.method === 'HEAD' && status === 0) return
      if (request.method === 'HEAD') looks += 1
      else asked.push(request)
      return status === 200 || status === 0
        ? void stream(request, response)
        : response.writeHead(status).end()
    })
    address = `http://127.0.0.1:${await listen(server)}`
    complaints = []
    page = await openPage(browser, complaints)
    await page.clock.install()
  })
  afterEach(async () => {
    await page.context().close()
    await events.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  const heard = () => page.evaluate<unknown[][]>('window.heard')
  const kinds = async () => (await heard()).map(([kind, value]) => (kind === 'state' ? value : kind))

  async function open(url: string): Promise<void> {
    await page.goto(`${address}/#${url}`)
    await until(async () => (await kinds()).includes('open'), 'the stream to open')
  }

  it('hands on payloads, named events and their ids, and ends at the end of the key', async () => {
    await open('/orders.sse')
    const first = await events.signal('orders', { id: 7 })
    const second = await events.signal('orders', 'text', { event: 'paid' })
    await events.signal('orders', 1, { event: 'nobody listens' })
    await events.end('orders')
    await until(async () => (await kinds()).includes('end'), 'the end')
    expect(await heard()).to.deep.equal([
      ['state', 'open'],
      ['message', { id: 7 }, first.id],
      ['paid', 'text', second.id],
      ['state', 'closed'],
      ['end'],
    ])
    await page.clock.runFor(60_000)
    expect(await page.evaluate('window.opened')).to.equal(1)
    expect(asked).to.have.lengthOf(1)
    expect(complaints).to.deep.equal([])
  })

  it('tells of a reset', async () => {
    await open('/orders.sse?lastEventId=elsewhere-1')
    await until(async () => (await kinds()).includes('reset'), 'the reset')
    expect(await kinds()).to.deep.equal(['open', 'reset'])
  })

  it('comes back by itself, from where it was, after an answer at which a browser gives up', async () => {
    await open('/orders.sse')
    const seen = await events.signal('orders', 1)
    await until(async () => (await kinds()).includes('message'), 'the event')
    status = 502
    server.closeAllConnections()
    await until(() => asked.length === 2, 'the answer 502')
    await until(
      () => page.evaluate(`window.heard.filter(([, state]) => state === 'reconnecting').length === 2`),
      'the browser to give up',
    )
    await events.signal('orders', 2)
    status = 200
    expect(asked).to.have.lengthOf(2)
    await page.clock.runFor(10_000)
    await until(
      async () => (await kinds()).filter((kind) => kind === 'message').length === 2,
      'what was missed',
    )
    expect(asked[2]?.url).to.equal(`/orders.sse?lastEventId=${seen.id}`)
    expect(
      (await heard()).filter(([kind]) => kind === 'message').map(([, payload]) => payload),
    ).to.deep.equal([1, 2])
    expect(await kinds()).not.to.include('reset')
  })

  it('stops when it is told to, also while it waits', async () => {
    await open('/orders.sse')
    status = 502
    server.closeAllConnections()
    await until(
      () => page.evaluate(`window.heard.filter(([, state]) => state === 'reconnecting').length === 2`),
      'the browser to give up',
    )
    await page.evaluate('window.stop()')
    await page.clock.runFor(60_000)
    expect(await page.evaluate('window.opened')).to.equal(1)
    expect((await kinds()).at(-1)).to.equal('closed')
    expect(looks).to.equal(0)
  })

  /** Lets the longest pause pass, as often as it takes. */
  const passUntil = (done: () => boolean | Promise<boolean>, what: string) =>
    until(async () => {
      await page.clock.runFor(10_000)
      return done()
    }, what)

  for (const refusal of [403, 204, 404]) {
    it(`stops, and says so, where a server that is there answers ${refusal} five times in a row`, async () => {
      await open('/orders.sse')
      status = refusal
      server.closeAllConnections()
      await passUntil(async () => (await kinds()).includes('closed'), 'the end of patience')
      // The stream that was open, the browser's own return, and four more.
      expect(asked.map(({ method }) => method)).to.deep.equal(Array.from({ length: 6 }, () => 'GET'))
      await page.clock.runFor(120_000)
      expect(asked).to.have.lengthOf(6)
      expect((await kinds()).at(-1)).to.equal('closed')
      expect(await kinds()).not.to.include('end')
    })
  }

  it('stops for a key that ended while the page was away', async () => {
    await open('/orders.sse')
    await events.signal('orders', 1)
    await until(async () => (await kinds()).includes('message'), 'the event')
    status = 502
    server.closeAllConnections()
    await passUntil(() => looks > 0, 'a look')
    await events.end('orders')
    status = 200
    await passUntil(async () => (await kinds()).includes('closed'), 'the end')
    expect((await kinds()).slice(-2)).to.deep.equal(['closed', 'end'])
  })

  it('comes back where a proxy holds back the look at the server', async () => {
    await open('/orders.sse')
    status = 502
    server.closeAllConnections()
    await until(() => asked.length === 2, 'the answer 502')
    status = 0
    await passUntil(async () => (await kinds()).filter((kind) => kind === 'open').length === 2, 'the stream')
  })

  it('never gives up while a server is away, and asks for no stream until it is back', async () => {
    await open('/orders.sse')
    status = 503
    server.closeAllConnections()
    await passUntil(() => looks >= 12, 'a long outage')
    expect(asked).to.have.lengthOf(2)
    status = 200
    await passUntil(async () => (await kinds()).filter((kind) => kind === 'open').length === 2, 'the stream')
    expect(await kinds()).not.to.include('closed')
  })
})
