import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Browser, BrowserContext, CDPSession } from 'playwright-core'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { leaderOf, openTabs, rendererOf, type Site, startSite, type Tab } from './setup/tabs.js'
import { until } from './support/wait.js'

/** Leaders go in the middle of these, and so many milliseconds lie between two. */
const EVENTS = 1000
const PACE = 3
/** Milliseconds in which another tab must lead and pass on what came meanwhile. */
const SOON = 1000

describe('tabs that share a stream', () => {
  let browser: Browser
  let cdp: CDPSession
  let site: Site
  let context: BrowserContext

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    cdp = await browser.newBrowserCDPSession()
  })
  after(() => browser?.close())
  beforeEach(async () => {
    site = await startSite()
    context = await browser.newContext()
  })
  afterEach(async () => {
    await context.close()
    await site.close()
  })

  const heardBy = (tabs: readonly Tab[], count: number) =>
    until(
      async () => {
        const heard = await Promise.all(tabs.map((tab) => tab.heard()))
        return heard.every(({ length }) => length >= count) && heard
      },
      `${count} events in ${tabs.length} tabs`,
      15_000,
    )

  it('are ten with one connection, and get 1,000 events once each while leaders go in every way', async () => {
    const tabs = await openTabs(context, site, 10)
    await until(() => site.lines.size === 1, 'one connection')
    const published: number[] = []
    const publish = async () => {
      for (let i = 0; i < EVENTS; i += 1) {
        published.push(Date.now())
        await site.events.signal('all', i)
        await sleep(PACE)
      }
    }
    const publishing = publish()
    let staying = tabs
    let awake = tabs
    const changes: { how: string; first: number; last: number }[] = []
    for (const [how, remove] of Object.entries(WAYS)) {
      const leader = await leaderOf(awake)
      const pid = await rendererOf(leader, cdp)
      const first = published.length
      const comesBack = await remove(leader, pid)
      awake = awake.filter((tab) => tab !== leader)
      if (!comesBack) staying = staying.filter((tab) => tab !== leader)
      await leaderOf(awake)
      changes.push({ how, first, last: published.length })
      await heardBy(awake.slice(0, 2), published.length)
    }
    await publishing
    const heard = await heardBy(staying, EVENTS)
    for (const events of heard) expect(events.map(([, data]) => data)).to.deep.equal([...published.keys()])
    await until(() => site.lines.size === 1, 'one connection')
    // Those that were stopped or busy heard nothing meanwhile, and are not measured.
    const measured = await Promise.all(awake.map((tab) => tab.heard()))
    for (const { how, first, last } of changes) {
      const late = measured.flatMap((events) =>
        events.slice(first, last).map(([, data, , at]) => at - (published[Number(data)] ?? 0)),
      )
      console.log(`      ${how}: the latest event came ${Math.max(...late)} ms late`)
      expect(Math.max(...late), how).to.be.below(SOON)
    }
  })
})

/** Ways in which a leader goes, and whether it is to hear all the same. */
const WAYS: Record<string, (leader: Tab, pid: number) => Promise<boolean>> = {
  'its tab is closed': async ({ page }) => {
    await page.close()
    return false
  },
  'it calls close()': async ({ page }) => {
    await page.evaluate('live.close()')
    return false
  },
  'its process is killed': async (_, pid) => {
    process.kill(pid, 'SIGKILL')
    return false
  },
  'its process is stopped': async (_, pid) => {
    process.kill(pid, 'SIGSTOP')
    setTimeout(() => process.kill(pid, 'SIGCONT'), 1500)
    return true
  },
  'it is busy for 3 s': async ({ page }) => {
    void page.evaluate('{ const end = performance.now() + 3000; while (performance.now() < end); }')
    return true
  },
}
