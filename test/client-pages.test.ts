import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { type Hostile, serveHttp } from './setup/hostile.js'
import { begin, firstFault, loadPage, type Story, stateNames, storyOf, withPage } from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { openRawTab } from './setup/raw-tab.js'
import { serveTunnel, type Tunnel } from './setup/tunnel.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

/** A dead line is noticed after 2.5 heartbeats; who is away is so for longer. In milliseconds. */
const HEARTBEAT = 400
const AWAY = 1500
const PACE = 20
const ELSEWHERE = '<!doctype html><link rel="icon" href="data:,"><p>Another page.</p>'

/** A journey ends when the page is back; what it returns tells what the page has heard. */
type Journey = () => Promise<() => Promise<Story>>

describe('a page that goes away and comes back', function () {
  this.timeout(60_000)
  let browser: Browser
  let events: FileSignal
  let site: Hostile
  let radio: Tunnel
  let published = 0
  /** Requests so far, and streams that are open, by the query of the page. */
  const asked = new Map<string, number>()
  const open = new Map<string, number>()
  const stories = new Map<Journey, Story>()
  let askedOffline = -1
  let askedInCache = -1
  let wasPersisted: unknown
  let heardFrozen = -1

  const add = (counts: Map<string, number>, name: string, more: number) =>
    void counts.set(name, (counts.get(name) ?? 0) + more)
  const statesOf = async (page: Page) => stateNames(await storyOf(page, 'live'))

  /** Opens the page, and resolves once it listens. */
  async function listenAt(origin: string, name: string): Promise<Page> {
    const page = await (await browser.newContext()).newPage()
    await loadPage(page, origin)
    await begin(page, 'live', `/x.sse?${name}`)
    await until(async () => (await statesOf(page)).includes('open: ready'), `the stream of ${name}`)
    return page
  }

  /** The same in a tab that can be hidden. */
  async function listenInTab(name: string) {
    const tab = await openRawTab(browser, `${site.url}/`)
    const story = () => until(() => tab.evaluate<Story>('window.stories.live'), 'the page to answer')
    await until(() => tab.evaluate('window.isLoaded'), 'the page of the tab')
    await tab.evaluate(`window.begin('live', '/x.sse?${name}')`)
    await until(async () => stateNames(await story()).includes('open: ready'), `the stream of ${name}`)
    return { tab, story }
  }

  /** A radio that is lost tells nobody: the connection that was open falls silent. */
  const goOffline: Journey = async () => {
    radio = await serveTunnel(site.port)
    const page = await listenAt(radio.url, 'radio')
    await page.context().setOffline(true)
    radio.forget()
    await until(async () => (await statesOf(page)).includes('waiting: offline'), 'the page to notice')
    const before = asked.get('radio') ?? 0
    await pause(AWAY)
    askedOffline = (asked.get('radio') ?? 0) - before
    await page.context().setOffline(false)
    return () => storyOf(page, 'live')
  }

  const goToCache: Journey = async () => {
    const { tab, story } = await listenInTab('cache')
    await tab.evaluate(`addEventListener('pageshow', (event) => { window.wasPersisted = event.persisted })`)
    const before = asked.get('cache') ?? 0
    await tab.send('Page.navigate', { url: `${site.url}/elsewhere` })
    await until(() => open.get('cache') === 0, 'the end of the stream')
    await pause(AWAY)
    askedInCache = (asked.get('cache') ?? 0) - before
    await tab.evaluate('history.back()')
    wasPersisted = await until(() => tab.evaluate('window.wasPersisted'), 'the page to be shown again')
    return story
  }

  const freeze: Journey = async () => {
    const { tab, story } = await listenInTab('frozen')
    await openRawTab(browser, 'about:blank')
    await tab.setFrozen(true)
    const before = (await story()).heard.length
    await pause(AWAY)
    heardFrozen = (await story()).heard.length - before
    await tab.setFrozen(false)
    return story
  }

  before(async function () {
    const program = needProgram(this, 'chromium', 'chromium')
    browser = await startBrowser(program, { ignoreDefaultArgs: ['--disable-back-forward-cache'] })
    events = createFileSignal({ root: freshFolder(), heartbeat: HEARTBEAT, retry: [20, 100] })
    const stream = events.handler('orders', { replay: 'all' })
    site = await serveHttp(
      withPage((request, response) => {
        if (request.url === '/elsewhere')
          return response.setHeader('Content-Type', 'text/html').end(ELSEWHERE)
        const name = /\?(\w+)/.exec(request.url ?? '')?.[1] ?? ''
        add(asked, name, 1)
        add(open, name, 1)
        response.once('close', () => add(open, name, -1))
        void stream(request, response)
      }),
    )
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        await events.signal('orders', { i: published, at: Date.now() })
        published += 1
        await pause(PACE)
      }
    })()
    const tell = await Promise.all(
      [goOffline, goToCache, freeze].map(async (journey) => [journey, await journey()] as const),
    ).finally(() => {
      isOver = true
    })
    await publishing
    for (const [journey, story] of tell) {
      await until(async () => (await story()).heard.length >= published, 'what was missed').catch(() => {})
      stories.set(journey, await story())
    }
    await browser.close()
  })
  after(async () => {
    await browser?.close()
    await Promise.all([site, radio].map((server) => server?.stop()))
    await events?.close()
  })

  /** The story of a page that heard everything, and never mistook its being away for a buffer. */
  function whole(journey: Journey): Story {
    const story = stories.get(journey) as Story
    expect(firstFault(story, published)).to.equal(null)
    expect(story.resets).to.deep.equal([])
    expect(stateNames(story).join()).not.to.match(/buffered|closed/)
    expect(stateNames(story).at(-1)).to.equal('open: ready')
    return story
  }

  it('waits while it is offline, asks for nothing, and goes on when it is online', () => {
    const waiting = whole(goOffline).states.find(({ reason }) => reason === 'offline')
    expect(waiting).not.to.have.property('retryIn')
    expect(waiting?.message).to.match(/offline/)
    expect(askedOffline).to.equal(0)
  })

  it('comes back from the bfcache, where it holds and asks for no stream, and goes on after its cursor', () => {
    whole(goToCache)
    expect(wasPersisted).to.equal(true)
    expect(askedInCache).to.equal(0)
  })

  it('hears nothing while it is frozen, and everything afterwards', () => {
    whole(freeze)
    expect(heardFrozen).to.equal(0)
  })
})
