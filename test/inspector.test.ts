import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import {
  createFileSignal,
  type FileSignal,
  type FileSignalOptions,
  type InspectorOptions,
  memory,
  memorySignal,
} from 'file-signal'
import Koa from 'koa'
import type { Browser, Page } from 'playwright-core'
import { createRested } from '../dist/inspector/rested.js'
import type { Figures, RowShown, TailShown } from '../dist/inspector/shown.js'
import { openPage, startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'
import { startPublisher } from './support/web.js'

const PATHS = ['', '/', '/page.css', '/page.js', '/figures.sse', '/tail.sse']
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
const HOSTILE = '<img src=x onerror="document.title=1">'

/** In the page: what has the focus, and the style of the line around it. */
const FOCUSED = `(() => {
  const element = document.activeElement
  const title = document.getElementById(element.getAttribute('aria-labelledby')) ?? element.labels?.[0] ?? element
  return title.textContent + ': ' + getComputedStyle(element).outlineStyle
})()`
const MOVING = "document.getAnimations().some(({ playState }) => playState === 'running')"
/** In the page: what is wider than its place, of the page itself and of the tail. */
const TOO_WIDE = `[document.documentElement, document.querySelector('#rows').parentElement]
  .filter((element) => element.scrollWidth > element.clientWidth).map((element) => element.tagName)`

interface Site {
  readonly events: FileSignal
  readonly url: string
  readonly failures: unknown[]
  close(): Promise<void>
}

/** An app with the inspector, and with streams of any key. */
async function serve(
  inspector: Partial<InspectorOptions>,
  options: FileSignalOptions,
  ...above: Koa.Middleware[]
): Promise<Site> {
  const events = createFileSignal(options)
  const failures: unknown[] = []
  const app = new Koa()
  app.on('error', (error) => failures.push(error))
  for (const one of above) app.use(one)
  app.use(events.inspector({ authorize: () => true, ...inspector }).routes())
  app.use(events.routes({ authorize: () => true }).routes())
  const server: Server = createServer(app.callback()).listen(0, '127.0.0.1')
  // A browser keeps what it has loaded a page over, and would seem to leave it open.
  server.maxRequestsPerSocket = 1
  await once(server, 'listening')
  return {
    events,
    failures,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      await events.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('the inspector', () => {
  describe('its router', () => {
    const inMemory = { payload: memory(), signal: memorySignal() }
    let site: Site
    let clients: Client[]

    const ask = (path: string, init: RequestInit = {}) =>
      fetch(`${site.url}${path}`, { redirect: 'manual', headers: { Connection: 'close' }, ...init })

    async function listen(path: string): Promise<Client> {
      const client = await stream(`${site.url}/inspector${path}`)
      clients.push(client)
      return client
    }

    const rowsOf = (client: Client): RowShown[] => {
      const seen = new Map<string, RowShown>()
      for (const { rows } of client.payloads() as TailShown[]) for (const row of rows) seen.set(row.id, row)
      return [...seen.values()]
    }
    const keysOf = (client: Client) => rowsOf(client).map(({ key }) => key)

    beforeEach(() => {
      clients = []
    })
    afterEach(async () => {
      for (const client of clients) client.close()
      await site?.close()
    })

    it('shows strangers nothing, on any path, and asks about each request', async () => {
      const asked: string[] = []
      const authorize: InspectorOptions['authorize'] = async ({ path }) => {
        asked.push(path)
        return false
      }
      site = await serve({ authorize }, inMemory)
      for (const path of PATHS) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await ask(`/inspector${path}`, { method })
          expect(answer.status, path).to.equal(403)
          expect(answer.headers.get('cache-control')).to.equal('no-store')
          expect(await answer.text()).to.equal(method === 'GET' ? 'Forbidden\n' : '')
        }
      }
      expect(asked).to.deep.equal(PATHS.flatMap((path) => [`/inspector${path}`, `/inspector${path}`]))
      expect((await site.events.stats()).streams.opened).to.equal(0)
    })

    it('is not there until it is mounted, and leaves other paths and methods alone', async () => {
      site = await serve({ prefix: '/admin/look' }, inMemory)
      expect((await ask('/inspector/')).status).to.equal(404)
      expect((await ask('/admin/look/')).status).to.equal(200)
      expect((await ask('/admin/look/nonesuch')).status).to.equal(404)
      expect((await ask('/admin/look/', { method: 'POST' })).status).to.equal(404)
    })

    it('leaves what authorize throws to Koa', async () => {
      const authorize = () => {
        throw Object.assign(new Error('who are you?'), { status: 401, expose: true })
      }
      site = await serve({ authorize }, inMemory)
      for (const path of PATHS) expect((await ask(`/inspector${path}`)).status, path).to.equal(401)
    })

    it('is not made without authorize, with an unknown option, or with a prefix that is no path', async () => {
      site = await serve({}, inMemory)
      const { inspector } = site.events
      const wrong = [undefined, {}, { authorize: true }, { authorize: () => true, prefx: '/x' }]
      const remedies: string[] = []
      for (const options of [...wrong, { authorize: () => true, prefix: 'x/' }]) {
        const { code, remedy } = await failure((async () => inspector(options as InspectorOptions))())
        expect(code).to.equal('OPTION_INVALID')
        remedies.push(remedy)
      }
      expect(remedies[0]).to.match(/authorize: \(ctx\) =>/)
    })

    it('sends the page and its files with a policy that allows nothing else', async () => {
      site = await serve({}, inMemory)
      const types = { '/': 'text/html', '/page.css': 'text/css', '/page.js': 'text/javascript' }
      for (const [path, type] of Object.entries(types)) {
        const answer = await ask(`/inspector${path}`)
        expect(answer.status).to.equal(200)
        expect(answer.headers.get('content-type')).to.equal(`${type}; charset=utf-8`)
        expect(answer.headers.get('content-security-policy')).to.equal(POLICY)
        expect(answer.headers.get('x-content-type-options')).to.equal('nosniff')
        expect(answer.headers.get('referrer-policy')).to.equal('no-referrer')
        expect(answer.headers.get('cache-control')).to.equal('no-store')
        expect((await answer.text()).length).to.be.above(1000)
      }
    })

    it('sends browsers into its folder by a relative address, which holds behind a proxy and a mount', async () => {
      const mount: Koa.Middleware = (ctx, next) => {
        ctx.path = ctx.path.replace(/^\/admin/, '') || '/'
        return next()
      }
      site = await serve({ prefix: '' }, inMemory, mount)
      const answer = await ask('/admin?theme=x')
      expect([answer.status, answer.headers.get('location')]).to.deep.equal([302, './admin/?theme=x'])
      expect((await ask('/admin/')).status).to.equal(200)
      expect(await (await ask('/admin/')).text()).to.match(/href="page\.css"/)
    })

    it('tells who comes later the newest events, and everybody what comes then', async () => {
      site = await serve({}, inMemory)
      const { events } = site
      await events.signal('early', { long: 'ä'.repeat(500) }, { event: 'named' })
      await events.end('over')
      const first = await listen('/tail.sse')
      await until(() => rowsOf(first).length === 2, 'what was there')
      const [early, over] = rowsOf(first)
      expect(early).to.include({ key: 'early', event: 'named', kind: 'event', bytes: 1011 })
      expect(early?.payload).to.match(/^\{"long":"ä{100,120}$/)
      expect(over).to.include({ key: 'over', kind: 'end' })
      const second = await listen('/tail.sse')
      const { id } = await events.signal('late', 1)
      await until(() => rowsOf(first).length === 3 && rowsOf(second).length === 3, 'what came then')
      expect(rowsOf(second)).to.deep.equal(rowsOf(first))
      expect(rowsOf(second).at(-1)).to.include({ id, key: 'late', payload: '1', bytes: null })
    })

    it('shows the newest of what comes too fast, and says how much it left out', async () => {
      site = await serve({}, inMemory)
      const client = await listen('/tail.sse')
      await until(() => client.payloads().length > 0, 'the first look')
      const keys = Array.from({ length: 1000 }, (_, i) => `k${i}`)
      await site.events.signalMany(keys.map((key) => ({ key, payload: null })))
      await until(() => rowsOf(client).length > 0, 'the burst')
      const pieces = (client.payloads() as TailShown[]).filter(({ rows }) => rows.length > 0)
      expect(pieces[0]?.skipped).to.equal(900)
      expect(keysOf(client)).to.deep.equal(keys.slice(-100))
    })

    it('says where an engine cannot show its newest events', async () => {
      const payload = Object.assign((...args: Parameters<ReturnType<typeof memory>>) => {
        const { journal: _, ...rest } = memory()(...args)
        return rest
      })
      site = await serve({}, { ...inMemory, payload })
      const client = await listen('/tail.sse')
      const [piece] = await until(
        () => client.payloads().length > 0 && (client.payloads() as TailShown[]),
        'it',
      )
      expect(piece?.able).to.equal(false)
      const figures = await listen('/figures.sse')
      await until(() => figures.payloads().length > 0, 'the figures all the same')
    })

    it('is one look a second, however many look, and leaves nothing when they have gone', async () => {
      site = await serve({}, inMemory)
      const [one, other] = [await listen('/figures.sse'), await listen('/figures.sse')]
      await until(() => one.payloads().length > 1 && other.payloads().length > 1, 'figures')
      const times = (client: Client) => (client.payloads() as Figures[]).map(({ at }) => at)
      expect(times(one).slice(-1)).to.deep.equal(times(other).slice(-1))
      const [last] = (one.payloads() as Figures[]).slice(-1)
      expect(last?.process.pid).to.equal(process.pid)
      expect(last?.streams.count).to.equal(2)
      expect(last?.open.map(({ kind }) => kind)).to.deep.equal(['source', 'source'])
      for (const client of [one, other]) client.close()
      await until(async () => (await site.events.stats()).streams.streams === 0, 'the end of the streams')
    })
  })

  it('looks at a large store seldom: 1,000 times what it took lies between two looks', async () => {
    const took: number[] = []
    const look = createRested(async () => {
      const began = performance.now()
      while (performance.now() < began + 0.2);
      took.push(performance.now() - began)
      return { looks: took.length }
    })
    expect(await look()).to.deep.equal({ looks: 1 })
    const first = performance.now()
    await until(async () => (await look()).looks === 2, 'the next look', 10_000)
    expect(performance.now() - first).to.be.above(1000 * (took[0] as number))
  })

  describe('its page', () => {
    let browser: Browser
    let page: Page
    let site: Site
    let root: string
    const complaints: string[] = []
    const clients: Client[] = []

    const rows = () => page.locator('#rows tbody tr')
    const text = (selector: string) => page.locator(selector).textContent()
    const show = (filter: string) => page.fill('#filter', filter)

    before(async function () {
      this.timeout(20_000)
      browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
      root = freshFolder()
      site = await serve({}, { root, payloadLimit: '1mb' })
      clients.push(await stream(`${site.url}/stream/orders.sse`))
      page = await openPage(browser, complaints)
      await page.goto(`${site.url}/inspector`)
      await until(async () => (await text('#state')) === 'live', 'the feed')
    })
    after(async () => {
      await browser?.close()
      for (const client of clients) client.close()
      await site?.close()
    })
    beforeEach(() => show(''))

    it('shows an event of another process within a second', async () => {
      const publisher = startPublisher({ key: 'orders', count: 1, options: { root } })
      const payload = await until(() => rows().first().locator('.payload').textContent(), 'the row')
      const seen = Date.now()
      expect(JSON.parse(payload)).to.include({ i: 0 })
      expect(seen - JSON.parse(payload).at).to.be.below(1000)
      expect(await rows().first().locator('th').textContent()).to.equal('orders')
      expect(await page.locator('#keys tbody th').allTextContents()).to.deep.equal(['orders'])
      expect((await publisher.ended).code).to.equal(0)
    })

    it('plots how long it took in a drawing that moves, and counts what woke the reader', async () => {
      await until(async () => /^(<1 ms|\d+ m?s)$/.test((await text('#p50')) ?? ''), 'a latency')
      expect(await page.locator('#plot path.p50').getAttribute('d')).to.match(/^M[\d.]+ [\d.]+h0/)
      expect(await page.locator('#plot svg[role=img]').getAttribute('aria-label')).to.match(/newest: p50/)
      await until(() => page.evaluate(MOVING), 'it to move')
      const kinds = await page.locator('#wakes tbody th').allTextContents()
      expect(kinds.map((kind) => kind.split(' ')[0]).sort()).to.deep.equal([
        'local',
        'poll',
        're-read',
        'sweep',
        'watch',
      ])
      expect(await text('#watcher-now')).to.equal('watching')
    })

    it('takes no payload for HTML', async () => {
      await site.events.signal(HOSTILE, HOSTILE, { event: HOSTILE })
      await until(async () => (await rows().first().textContent())?.includes('onerror'), 'the row')
      expect(await rows().first().locator('.payload').textContent()).to.equal(JSON.stringify(HOSTILE))
      expect(await page.locator('img').count()).to.equal(0)
      expect(await page.title()).to.equal('file-signal inspector')
    })

    it('lets through what has all the words of the filter, in key, event or payload', async () => {
      await site.events.signal('invoices', { to: 'Ada' }, { event: 'sent' })
      await site.events.signal('invoices', { to: 'Grace' }, { event: 'paid' })
      await until(async () => (await text('#rows'))?.includes('Grace'), 'both')
      await show('INVOICES paid')
      expect(await rows().count()).to.equal(1)
      expect(await rows().first().textContent()).to.include('Grace')
      expect(await text('#tail-note')).to.match(/^1 of \d+ events$/)
      await show('nothing like it')
      expect(await rows().count()).to.equal(0)
      expect(await text('#empty')).to.equal('Nothing that the filter lets through.')
    })

    it('holds still while it is paused, and catches up', async () => {
      const newest = await rows().first().textContent()
      await page.click('#pause')
      await site.events.signal('paused', 1)
      await until(async () => (await text('#tail-note')) === 'paused, 1 new', 'its note')
      expect(await rows().first().textContent()).to.equal(newest)
      expect(await page.locator('#pause').getAttribute('aria-pressed')).to.equal('true')
      await page.click('#pause')
      expect(await rows().first().locator('th').textContent()).to.equal('paused')
    })

    it('keeps some hundred rows, however many come', async () => {
      for (let i = 0; i < 4; i += 1) {
        await site.events.signalMany(Array.from({ length: 95 }, () => ({ key: `round ${i}`, payload: i })))
        await until(
          async () => (await rows().first().locator('th').textContent()) === `round ${i}`,
          'a round',
        )
      }
      expect(await rows().count()).to.equal(300)
    })

    it('shows what waits for a client that does not read, and moves nothing where that is not wanted', async () => {
      await page.emulateMedia({ reducedMotion: 'reduce' })
      await page.evaluate('for (const moving of document.getAnimations()) moving.finish()')
      const stalled = await stream(`${site.url}/stream/slow.sse`)
      stalled.pause()
      const large = { key: 'slow', payload: 'x'.repeat(500_000) }
      await until(async () => {
        await site.events.signalMany([large, large])
        return (await site.events.stats()).streams.behind === 1
      }, 'it to fall behind')
      await site.events.signalMany([large, large])
      const row = page.locator('#open tbody tr', { hasText: 'slow' })
      await until(async () => /behind/.test((await row.textContent()) ?? ''), 'its row')
      const cells = await row.locator('td').allTextContents()
      expect(Number(cells[1])).to.be.above(0)
      expect(cells[2]).to.match(/(K|M)iB$/)
      expect(cells[4]).to.equal('127.0.0.1')
      expect(await text('#waiting-more')).to.equal('in 1 socket')
      expect(await page.locator('#open tbody tr').first().locator('th').textContent()).to.equal('slow')
      expect(await page.evaluate(MOVING)).to.equal(false)
      stalled.close()
      await until(async () => (await site.events.stats()).streams.behind === 0, 'its end')
    })

    it('shares its two connections with other tabs, which show what came before them', async () => {
      const other = await page.context().newPage()
      await other.goto(`${site.url}/inspector/`)
      const newest = await rows().first().textContent()
      await until(
        async () => (await other.locator('#rows tbody tr').first().textContent()) === newest,
        'the rows',
      )
      const { open } = (await site.events.stats()).streams
      expect(open.filter(({ kind }) => kind === 'source')).to.have.lengthOf(2)
      await other.close()
    })

    it('can be walked through by keyboard, with a focus that is seen', async () => {
      await page.reload()
      const walked: string[] = []
      for (let i = 0; i < 6; i += 1) {
        await page.keyboard.press('Tab')
        walked.push(await page.evaluate(FOCUSED))
      }
      expect(walked).to.deep.equal([
        'Skip to the live tail: solid',
        'Streams: solid',
        'Keys: solid',
        'Filter: solid',
        'Pause: solid',
        'Live tail: solid',
      ])
      await page.focus('.skip')
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      expect(await page.evaluate(FOCUSED)).to.equal('Filter: solid')
    })

    it('fits a phone of 360 pixels, in the dark too', async () => {
      await site.events.signal(
        'a-very-long-key:'.repeat(12),
        { text: 'endless'.repeat(50) },
        { event: 'e'.repeat(190) },
      )
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width: 360, height: 740 })
        await until(async () => (await text('#rows'))?.includes('endless'), 'the row')
        expect(await page.evaluate(TOO_WIDE)).to.deep.equal([])
      }
    })

    it('says when the server is away, by a word and a shape', async () => {
      await page.context().setOffline(true)
      await site.events.close()
      await until(async () => (await text('#state'))?.startsWith('waiting'), 'the state', 4000)
      expect(await page.locator('#state').getAttribute('data-mark')).to.equal('wait')
    })

    it('has had nothing to complain of', () => {
      expect(complaints.filter((text) => !text.includes('ERR_INTERNET_DISCONNECTED'))).to.deep.equal([])
    })
  })
})
