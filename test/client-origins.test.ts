import cors from '@koa/cors'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import Koa from 'koa'
import type { Browser, Page } from 'playwright-core'
import { type Hostile, serveHttp } from './setup/hostile.js'
import { begin, loadPage, type Story, stateNames, storyOf, withPage } from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

/** What a page shows to the other origin. */
const WAYS = ['cookie', 'token', 'header'] as const

/** A request as the app saw it. */
interface Asked {
  readonly way: string
  readonly method: string
  readonly cursor: unknown
  readonly cookie: string | undefined
  readonly authorization: string | undefined
}

describe('the client across origins', function () {
  this.timeout(30_000)
  let browser: Browser
  let events: FileSignal
  let home: Hostile
  let stranger: Hostile
  let app: Hostile
  let page: Page
  let strange: Page
  let seconds = 0
  const stories = new Map<string, Story>()
  const asked: Asked[] = []

  /** An app on another origin: it lets in one origin, who shows a cookie or a token. */
  function createApp(): Koa {
    const koa = new Koa()
    koa.use((ctx, next) => {
      const way = /\?(\w+)/.exec(ctx.url)?.[1] ?? ''
      const { cookie, authorization } = ctx.headers
      asked.push({ way, method: ctx.method, cursor: ctx.query.lastEventId, cookie, authorization })
      return next()
    })
    koa.use(cors({ origin: (ctx) => (ctx.get('Origin') === home.url ? home.url : ''), credentials: true }))
    koa.use(
      events.stream(
        (ctx: Koa.Context) => {
          const isKnown = ctx.headers.cookie === 'user=ann' || ctx.headers.authorization === 'Bearer key'
          return isKnown || ctx.query.open === '' ? 'orders' : null
        },
        { replay: 'all' },
      ),
    )
    return koa
  }

  const of = (way: string, method = 'GET') => asked.filter((one) => one.way === way && one.method === method)
  const heard = async (name: string) => (await storyOf(page, name)).heard.includes('news')
  const lastState = (way: string) => stories.get(way)?.states.at(-1)

  /** Each stream ends after 400 ms: the news come on the second one, or later, and two more follow. */
  async function follow(way: string): Promise<void> {
    await until(() => of(way).length >= 2, `the second stream with a ${way}`)
    await until(() => heard(way), `the news on a stream with a ${way}`)
    const streams = of(way).length
    await until(() => of(way).length >= streams + 2, `two more streams with a ${way}`)
  }

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    events = createFileSignal({ root: freshFolder(), retry: [20, 60], duration: 400 })
    home = await serveHttp(withPage((_, response) => void response.writeHead(404).end()))
    stranger = await serveHttp(withPage((_, response) => void response.writeHead(404).end()))
    app = await serveHttp(createApp().callback())
    const context = await browser.newContext()
    // Cookies know no ports: this one belongs to both origins.
    await context.addCookies([{ name: 'user', value: 'ann', url: home.url }])
    page = await context.newPage()
    strange = await (await browser.newContext()).newPage()
    await Promise.all([loadPage(page, home.url), loadPage(strange, stranger.url)])
    const beganAt = performance.now()
    await begin(strange, 'strange', `${app.url}/x.sse?strange&open`)
    await begin(page, 'cookie', `${app.url}/x.sse?cookie`, { credentials: 'include' })
    await begin(page, 'nothing', `${app.url}/x.sse?nothing`)
    // A callback cannot be handed to a page as JSON.
    await page.evaluate(`window.begin('token', '${app.url}/x.sse?token', { token: () => 'key' })`)
    await begin(page, 'header', `${app.url}/x.sse?header`, { headers: { Authorization: 'Bearer key' } })
    await until(() => WAYS.every((way) => of(way).length >= 2), 'the second stream of each')
    await events.signal('orders', { i: 'news', at: Date.now() })
    await Promise.all(WAYS.map(follow))
    seconds = (performance.now() - beganAt) / 1000
    for (const way of [...WAYS, 'nothing']) stories.set(way, await storyOf(page, way))
    stories.set('strange', await storyOf(strange, 'strange'))
    // Pages that go on asking would look like something that a test has left behind.
    await browser.close()
  })
  after(async () => {
    await browser?.close()
    await Promise.all([home, stranger, app].map((server) => server?.stop()))
    await events?.close()
  })

  for (const way of WAYS) {
    it(`shows a ${way} where it is asked to, and goes on after its cursor when the stream ends`, () => {
      const story = stories.get(way) as Story
      expect(story.heard).to.deep.equal(['news'])
      expect(stateNames(story).join()).not.to.match(/closed|buffered/)
      const shown =
        way === 'cookie'
          ? { cookie: 'user=ann', authorization: undefined }
          : { cookie: undefined, authorization: 'Bearer key' }
      for (const one of of(way)) expect(one).to.include(shown)
      for (const one of of(way).slice(1)) expect(one.cursor).to.match(/^\w+-\d+$/)
    })
  }

  it('costs no preflight but for headers that the page asks for: the cursor goes with the address', () => {
    expect(of('cookie', 'OPTIONS')).to.have.lengthOf(0)
    expect(of('header', 'OPTIONS')).not.to.have.lengthOf(0)
  })

  it('shows nothing unless it is asked to, and is refused for good', () => {
    expect(lastState('nothing')).to.include({ state: 'closed', reason: 'refused', status: 403 })
    expect(of('nothing')).to.have.lengthOf(1)
    expect(of('nothing')[0]).to.include({ cookie: undefined, authorization: undefined })
  })

  it('says that its origin may not be allowed, where that is so, and asks once in 3 s', () => {
    const state = stories.get('strange')?.states.findLast((one) => one.state === 'waiting')
    expect(state).to.include({ reason: 'network' })
    expect(state?.message).to.match(/refuses this origin/)
    expect(of('strange').length).to.be.within(1, 1 + seconds / 3)
    expect(stories.get('strange')?.heard).to.deep.equal([])
  })
})
