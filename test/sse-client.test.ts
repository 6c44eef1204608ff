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
const live = listen(location.hash.slice(1))
window.stop = live.close
live.on('state', ({ state, reason }) => heard.push(['state', state, reason]))
for (const name of ['message', 'paid', 'reset', 'end']) live.on(name, (data, { id }) => heard.push([name, data, id]))
</script>`

describe('the browser file that init copies', () => {
  let browser: Browser
  let page: Page
  let root: string
  let events: FileSignal
  let server: Server
  let address: string
  let complaints: string[]
  /** A status other than 200 is given instead of the stream. */
  let status: number
  let asked: IncomingMessage[]

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
    server = createServer((request, response) => {
      if (request.url === '/') return response.setHeader('Content-Type', 'text/html').end(PAGE)
      if (request.url?.startsWith('/js/'))
        return response.setHeader('Content-Type', 'text/javascript').end(script)
      // Under a clock that jumps, an answer may look late to the client.
      if (!request.url?.includes('mode=probe')) asked.push(request)
      return status === 200 ? void stream(request, response) : response.writeHead(status).end()
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
  const payloads = async () =>
    (await heard()).filter(([kind]) => kind === 'message').map(([, payload]) => payload)

  async function open(url: string): Promise<void> {
    await page.goto(`${address}/#${url}`)
    await until(async () => (await kinds()).includes('open'), 'the stream to open')
  }

  /** Lets pauses pass, in steps that a request survives. */
  const passUntil = (done: () => boolean | Promise<boolean>, what: string) =>
    until(async () => {
      await page.clock.runFor(1000)
      return done()
    }, what)

  /** The stream is cut, and answers with a status from now on. */
  function answer(instead: number): void {
    status = instead
    server.closeAllConnections()
  }

  it('hands on payloads, named events and their ids, and ends at the end of the key', async () => {
    await open('/orders.sse')
    const first = await events.signal('orders', { id: 7 })
    const second = await events.signal('orders', 'text', { event: 'paid' })
    await events.signal('orders', 1, { event: 'nobody listens' })
    await events.end('orders')
    await until(async () => (await kinds()).includes('closed'), 'the end')
    expect(await heard()).to.deep.equal([
      ['state', 'connecting', 'start'],
      ['state', 'open', 'ready'],
      ['message', { id: 7 }, first.id],
      ['paid', 'text', second.id],
      ['state', 'closed', 'ended'],
    ])
    await page.clock.runFor(60_000)
    expect(asked).to.have.lengthOf(1)
    expect(complaints).to.deep.equal([])
  })

  it('tells of a reset', async () => {
    await open('/orders.sse?lastEventId=elsewhere-1')
    await until(async () => (await kinds()).includes('reset'), 'the reset')
    expect(await kinds()).to.deep.equal(['connecting', 'open', 'reset'])
  })

  it('comes back by itself, from where it was, after an answer at which a browser gives up', async () => {
    await open('/orders.sse')
    const seen = await events.signal('orders', 1)
    await until(async () => (await kinds()).includes('message'), 'the event')
    answer(502)
    await passUntil(() => asked.length >= 3, 'two answers 502')
    await events.signal('orders', 2)
    status = 200
    await passUntil(async () => (await payloads()).length === 2, 'what was missed')
    expect(asked.slice(1).every(({ url }) => url?.includes(`lastEventId=${seen.id}`))).to.equal(true)
    expect(await payloads()).to.deep.equal([1, 2])
    expect(await kinds()).not.to.include('reset')
  })

  it('stops when it is told to, also while it waits', async () => {
    await open('/orders.sse')
    answer(502)
    await passUntil(async () => (await heard()).some(([, , reason]) => reason === 'server'), 'the answer 502')
    await until(async () => (await kinds()).at(-1) === 'waiting', 'the pause')
    await page.evaluate('window.stop()')
    const before = asked.length
    await page.clock.runFor(120_000)
    expect(asked).to.have.lengthOf(before)
    expect((await heard()).at(-1)).to.deep.equal(['state', 'closed', 'asked'])
  })

  for (const [refusal, reason] of [
    [403, 'refused'],
    [204, 'ended'],
    [404, 'refused'],
  ] as const) {
    it(`stops, and says so, at the first answer ${refusal}, as after a logout`, async () => {
      await open('/orders.sse')
      answer(refusal)
      await passUntil(async () => (await kinds()).includes('closed'), 'the end')
      expect((await heard()).at(-1)).to.deep.equal(['state', 'closed', reason])
      await page.clock.runFor(120_000)
      expect(asked).to.have.lengthOf(2)
    })
  }

  it('stops for a key that ended while the page was away', async () => {
    await open('/orders.sse')
    await events.signal('orders', 1)
    await until(async () => (await kinds()).includes('message'), 'the event')
    answer(502)
    await passUntil(() => asked.length > 1, 'the answer 502')
    await events.end('orders')
    status = 200
    await passUntil(async () => (await kinds()).includes('closed'), 'the end')
    expect((await heard()).at(-1)).to.deep.equal(['state', 'closed', 'ended'])
  })

  it('never gives up while a server is away', async () => {
    await open('/orders.sse')
    answer(503)
    await passUntil(() => asked.length > 7, 'a long outage')
    status = 200
    await passUntil(async () => (await kinds()).at(-1) === 'open', 'the stream')
    expect(await kinds()).not.to.include('closed')
  })
})
