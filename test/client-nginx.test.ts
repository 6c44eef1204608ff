import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { needLayer } from './servers/need-servers.js'
import { HOSTILE_NGINX, type NginxSite, nginxFile, proxyAll, startNginx } from './servers/nginx.js'
import type { ServerProcess } from './servers/process.js'
import { userFolder } from './servers/user.js'
import { type Hostile, serveHttp } from './setup/hostile.js'
import {
  begin,
  CLIENT,
  firstFault,
  loadPage,
  PAGE,
  type Story,
  spread,
  stateNames,
  storyOf,
  withPage,
} from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'
import { type Parked, parkWeb, startWeb, type Web } from './support/web.js'

const KILLS = 10
/** Milliseconds from one event to the next. */
const PACE = 10
const HELD = 'an nginx that holds streams back'
const TYPES = 'types { text/html html; text/javascript js; }'

/** What nginx is told of the app: our file, with a shorter wait, so that ten restarts take seconds; or as panels do it. */
const SITES: Record<string, (port: number) => string> = {
  'nginx/proxy.conf': (port) =>
    nginxFile('proxy.conf', port).replace('retry: $file_signal_retry', 'retry: 50'),
  'a plain proxy_pass': (port) => `location = /x.sse { proxy_pass http://127.0.0.1:${port}; }`,
}

describe('the client behind nginx', function () {
  this.timeout(60_000)
  let browser: Browser
  let events: FileSignal
  let web: Web
  let next: Parked
  let steady: Hostile
  const servers: ServerProcess[] = []
  const stories = new Map<string, Story>()
  let published = 0

  async function openPage(site: NginxSite): Promise<Page> {
    const server = await startNginx(site)
    servers.push(server)
    const page = await (await browser.newContext()).newPage()
    await loadPage(page, `http://127.0.0.1:${server.port}`)
    await begin(page, 'live', '/x.sse')
    return page
  }

  /** A site of files, and above its stream the app that is killed. */
  function openSite(name: string): Promise<Page> {
    const root = userFolder()
    writeFileSync(join(root, 'index.html'), PAGE)
    writeFileSync(join(root, 'sse-client.js'), CLIENT)
    return openPage({ http: TYPES, server: `root ${root};\n${SITES[name]?.(web.port)}` })
  }

  /** An app that nobody kills, behind an nginx that holds back whatever it can; it streams from the same store. */
  async function openHeld(): Promise<Page> {
    const stream = events.handler('orders', { replay: 'all' })
    steady = await serveHttp(withPage((request, response) => void stream(request, response)))
    return openPage({ http: HOSTILE_NGINX, server: proxyAll(steady.port) })
  }

  /** So often a page has asked in vain since the app was killed last: nginx says 502, or ends an empty stream. */
  async function vainTries(page: Page): Promise<number> {
    const states = stateNames(await storyOf(page, 'live'))
    const since = states.slice(states.lastIndexOf('open: ready'))
    // The first one is the stream that was cut.
    return since.filter((state) => state.startsWith('waiting')).length - 1
  }

  const heard = async (page: Page) => (await storyOf(page, 'live')).heard.length

  before(async function () {
    needLayer(this, 'nginx')
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    const options = { root: freshFolder(), retry: [20, 100] as const }
    const setup = { keys: ['orders'], options, stream: { replay: 'all' as const } }
    events = createFileSignal(options)
    web = await startWeb(setup)
    const pages = await Promise.all(Object.keys(SITES).map(openSite))
    const held = await openHeld()
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        await events.signal('orders', { i: published, at: Date.now() })
        published += 1
        await pause(PACE)
      }
    })()

    /** Waits until each of the pages has come so far. */
    const all = (isThere: (page: Page) => Promise<boolean>, what: string) =>
      Promise.all(pages.map((page) => until(() => isThere(page), what, 15_000)))

    const allHear = () => {
      const news = published
      return all(async (page) => (await heard(page)) > news, `event ${news}`)
    }
    for (let kills = 0; kills < KILLS; kills += 1) {
      next = parkWeb({ ...setup, port: web.port })
      await allHear()
      await web.child.stop('SIGKILL')
      await all(async (page) => (await vainTries(page)) > 0, 'a try in vain')
      web = await next.listen()
    }
    await allHear()
    isOver = true
    await publishing
    for (const [at, name] of [...Object.keys(SITES), HELD].entries()) {
      const page = pages[at] ?? held
      await until(async () => (await heard(page)) >= published, 'the rest').catch(() => {})
      stories.set(name, await storyOf(page, 'live'))
    }
    // Pages that go on asking would look like something that a test has left behind.
    await browser.close()
  })
  after(async () => {
    await browser?.close()
    await Promise.all([...servers, steady].map((server) => server?.stop()))
    await Promise.all([web, next].map((one) => one?.child.stop()))
    await events?.close()
  })

  /** The story of a page that heard everything; prints how long that took. */
  function whole(name: string): string[] {
    const story = stories.get(name) as Story
    const { p50, worst } = spread(story.late)
    console.log(`      ${published} events, publish to handler: half within ${p50} ms, the worst ${worst} ms`)
    expect(firstFault(story, published)).to.equal(null)
    expect(story.resets).to.deep.equal([])
    return stateNames(story)
  }

  for (const name of Object.keys(SITES)) {
    it(`hears each event once, in order, while the app is killed and started again ten times, under ${name}`, () => {
      const states = whole(name)
      expect(states.filter((state) => state === 'open: ready')).to.have.lengthOf.at.least(KILLS + 1)
      expect(states.join()).not.to.match(/closed|buffered/)
    })
  }

  it('hears each event once, in order, where nginx holds streams back', () => {
    const states = whole(HELD)
    expect(states.at(-1)).to.equal('buffered: held')
    expect(states.join()).not.to.include('closed')
  })
})
