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
  let isDown: boolean
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
    isDown = false
    asked = []
    server = createServer((request, response) => {
      if (request.url === '/') return response.setHeader('Content-Type', 'text/html').end(PAGE)
      if (request.url?.startsWith('/js/'))
        return response.setHeader('Content-Type', 'text/javascript').end(script)
      asked.push(request)
      return isDown ? response.writeHead(502).end() : void stream(request, response)
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
    isDown = true
    server.closeAllConnections()
    await until(() => asked.length === 2, 'the answer 502')
    await until(
      () => page.evaluate(`window.heard.filter(([, state]) => state === 'reconnecting').length === 2`),
      'the browser to give up',
    )
    await events.signal('orders', 2)
    isDown = false
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
    isDown = true
    server.closeAllConnections()
    await until(
      () => page.evaluate(`window.heard.filter(([, state]) => state === 'reconnecting').length === 2`),
      'the browser to give up',
    )
    await page.evaluate('window.stop()')
    await page.clock.runFor(60_000)
    expect(await page.evaluate('window.opened')).to.equal(1)
    expect((await kinds()).at(-1)).to.equal('closed')
  })
})
