import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { needLayer } from './servers/need-servers.js'
import { nginxFile, startNginx } from './servers/nginx.js'
import type { ServerProcess } from './servers/process.js'
import { userFolder } from './servers/user.js'
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
} from './setup/listener.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'
import { startWeb, type Web } from './support/web.js'

const KILLS = 10
/** Milliseconds from one event to the next. */
const PACE = 10
const TYPES = 'types { text/html html; text/javascript js; }'

/** What nginx is told of the app: our file, with a shorter wait, so that ten restarts take seconds; or as panels do it. */
const SITES: Record<string, (port: number) => string> = {
  'nginx/proxy.conf': (port) =>
    nginxFile('proxy.conf', port).replace('retry: $file_signal_retry', 'retry: 50'),
  'a plain proxy_pass': (port) => `location = /x.sse { proxy_pass http://127.0.0.1:${port}; }`,
}

describe('the client behind nginx, while the app is killed and started again ten times', function () {
  this.timeout(60_000)
  const names = Object.keys(SITES)
  let browser: Browser
  let events: FileSignal
  let web: Web
  const servers: ServerProcess[] = []
  const pages: Page[] = []
  const stories: Story[] = []
  let published = 0

  /** A site of files, and the app under it. */
  async function openSite(name: string): Promise<void> {
    const root = userFolder()
    writeFileSync(join(root, 'index.html'), PAGE)
    writeFileSync(join(root, 'sse-client.js'), CLIENT)
    const server = await startNginx({ http: TYPES, server: `root ${root};\n${SITES[name]?.(web.port)}` })
    servers.push(server)
    const page = await (await browser.newContext()).newPage()
    await loadPage(page, `http://127.0.0.1:${server.port}`)
    await begin(page, 'live', '/x.sse')
    pages.push(page)
  }

  /** Waits until all pages have heard the event that is published next. */
  async function allHear(): Promise<void> {
    const next = published
    for (const page of pages) {
      await until(async () => (await storyOf(page, 'live')).heard.length > next, `event ${next}`, 15_000)
    }
  }

  before(async function () {
    needLayer(this, 'nginx')
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    const options = { root: freshFolder(), retry: [20, 100] as const }
    const setup = { keys: ['orders'], options, stream: { replay: 'all' as const } }
    events = createFileSignal(options)
    web = await startWeb(setup)
    await Promise.all(names.map(openSite))
    let isOver = false
    const publishing = (async () => {
      while (!isOver) {
        await events.signal('orders', { i: published, at: Date.now() })
        published += 1
        await pause(PACE)
      }
    })()
    for (let kills = 0; kills < KILLS; kills += 1) {
      await allHear()
      await web.child.stop('SIGKILL')
      web = await startWeb({ ...setup, port: web.port })
    }
    await allHear()
    isOver = true
    await publishing
    for (const page of pages) {
      await until(async () => (await storyOf(page, 'live')).heard.length >= published, 'the rest').catch(
        () => {},
      )
      stories.push(await storyOf(page, 'live'))
    }
    await browser.close()
  })
  after(async () => {
    await browser?.close()
    await Promise.all(servers.map((server) => server.stop()))
    await web?.child.stop()
    await events?.close()
  })

  names.forEach((name, at) => {
    it(`gets each event once, in order, behind ${name}`, () => {
      const story = stories[at] as Story
      const { p50, worst } = spread(story.late)
      console.log(
        `      ${published} events over ${KILLS} kills, publish to handler: p50 ${p50} ms, worst ${worst} ms`,
      )
      expect(firstFault(story, published)).to.equal(null)
      expect(stateNames(story).filter((state) => state === 'open: ready')).to.have.lengthOf.at.least(
        KILLS + 1,
      )
      expect(story.states.filter(({ state }) => state === 'closed' || state === 'buffered')).to.deep.equal([])
      expect(story.resets).to.deep.equal([])
    })
  })
})
