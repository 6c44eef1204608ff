import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import type { Browser, BrowserContext, CDPSession } from 'playwright-core'
import { serveBuffering } from './setup/hostile.js'
import { startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { openRawTab, type RawTab } from './setup/raw-tab.js'
import {
  type Heard,
  leaderOf,
  type NotedState,
  openTab,
  openTabs,
  rendererOf,
  type Site,
  shares,
  startSite,
  type Tab,
} from './setup/tabs.js'
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
  let held: ReturnType<typeof goThroughProxy>

  before(async function () {
    const program = needProgram(this, 'chromium', 'chromium')
    browser = await startBrowser(program, { ignoreDefaultArgs: ['--disable-back-forward-cache'] })
    cdp = await browser.newBrowserCDPSession()
    held = goThroughProxy()
    held.catch(() => {})
  })
  after(() => browser?.close())
  beforeEach(async () => {
    site = await startSite()
    context = await browser.newContext()
  })
  afterEach(async () => {
    await context.close()
    await site.close()
    // What it opens beside the first test is none of that test's.
    await held.catch(() => {})
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

  it('are kept apart by the keys that they are given, and follow whoever logs in', async () => {
    const ofAda = await openTabsOf('ada')
    const ofBob = await openTabsOf('bob')
    expect([...site.lines.values()].sort()).to.deep.equal(['ada', 'bob'])
    await site.events.signal('ada', 'for Ada')
    await site.events.signal('bob', 'for Bob')
    expect(await dataOf(ofAda, 1)).to.deep.equal([['for Ada'], ['for Ada']])
    expect(await dataOf(ofBob, 1)).to.deep.equal([['for Bob'], ['for Bob']])
    // The tabs of Ada come back with the cookie of Bob, and go to his; from their own place they get what he may hear.
    site.cut()
    await until(() => shares([...ofAda, ...ofBob]), 'four tabs of Bob')
    await until(() => [...site.lines.values()].join() === 'bob', 'the one line of Bob')
    await site.events.signal('ada', 'for nobody')
    await site.events.signal('bob', 'for Bob again')
    for (const data of await dataOf(ofAda, 3)) {
      expect(data).to.deep.equal(['for Ada', 'for Bob', 'for Bob again'])
    }
    for (const data of await dataOf(ofBob, 2)) expect(data).to.deep.equal(['for Bob', 'for Bob again'])
  })

  it('are kept apart by identity, and two streams of one tab are not', async () => {
    const tab = await openTab(context, site.url)
    const other = await openTab(context, site.url)
    await tab.start('/stream.sse', { identity: 'Ada' })
    await tab.page.evaluate('window.second = window.live')
    await tab.start('/stream.sse', { identity: 'Ada' })
    await other.start('/stream.sse', { identity: 'Bob' })
    await until(() => site.lines.size === 2, 'a line for each identity')
    await site.events.signal('all', 1)
    expect(await dataOf([tab], 2)).to.deep.equal([[1, 1]])
    expect(await dataOf([other], 1)).to.deep.equal([[1]])
    expect(site.lines.size).to.equal(2)
    const roles = [await tab.page.evaluate('second.state.role'), (await tab.state()).role]
    expect(roles.sort()).to.deep.equal(['follower', 'leader'])
    const including = await openTab(context, site.url)
    await including.start('/stream.sse', { identity: 'Bob', credentials: 'include' })
    await until(() => site.lines.size === 3, 'a line for other credentials')
  })

  it('are not fed with what a hook makes for another client, unless the page says who it is for', async () => {
    const tabs: { user: string; tab: Tab }[] = []
    for (const [user, path, identity] of [
      ['admin', '/hooked.sse'],
      ['admin', '/hooked.sse', 'the admin'],
      ['admin', '/hooked-once.sse'],
      ['guest', '/hooked.sse'],
      ['guest', '/hooked.sse', 'a guest'],
      ['guest', '/hooked.sse', 'a guest'],
      ['guest', '/hooked-once.sse'],
      ['guest', '/hooked-once.sse', 'the admin'],
    ] as const) {
      await context.addCookies([{ name: 'user', value: user, url: site.url }])
      const tab = await openTab(context, site.url)
      await tab.start(path, { identity })
      await until(async () => (await tab.state()).state === 'open', 'the tab')
      tabs.push({ user, tab })
    }
    await site.events.signal('all', 'news')
    const told = await Promise.all(
      tabs.map(async ({ user, tab }) => [user, (await tab.state()).role, ...(await dataOf([tab], 1)).flat()]),
    )
    expect(told).to.deep.equal([
      ['admin', 'alone', 'news for admin'],
      ['admin', 'leader', 'news for admin'],
      ['admin', 'leader', 'news for all'],
      ['guest', 'alone', 'news for guest'],
      ['guest', 'leader', 'news for guest'],
      ['guest', 'follower', 'news for guest'],
      ['guest', 'follower', 'news for all'],
      // The same keys and the same identity, but another address.
      ['guest', 'leader', 'news for all'],
    ])
  })

  it('go on without a leader that is refused, and show the state of the one that leads', async () => {
    const tabs = await openTabs(context, site, 3)
    const leader = await leaderOf(tabs)
    const others = tabs.filter((tab) => tab !== leader)
    site.refusals = [503, 403]
    site.cut()
    await until(() => shares(others), 'another leader')
    expect(await leader.state()).to.include({
      state: 'closed',
      reason: 'refused',
      status: 403,
      role: 'leader',
    })
    const [follower] = others as [Tab]
    expect(
      (await follower.states()).map(({ state, reason, role }) => `${state} ${reason} ${role}`),
    ).to.include('waiting server follower')
    await site.events.signal('all', 1)
    expect(await dataOf(others, 1)).to.deep.equal([[1], [1]])
    expect(await leader.data()).to.deep.equal([])
    // A maintenance page in place of the stream is no reason to end what was a stream before.
    const next = await leaderOf(others)
    const [last] = others.filter((tab) => tab !== next) as [Tab]
    site.refusals = [200]
    await next.page.evaluate('live.close()')
    await until(async () => (await last.state()).reason === 'not-a-stream', 'the page')
    expect(await last.state()).to.include({ state: 'waiting', role: 'leader' })
  })

  it('are each told once of a reset and of the end, and of what is before them', async () => {
    const tabs = await openTabs(context, site, 3)
    await site.events.signal('all', 1)
    await dataOf(tabs, 1)
    await site.replaceStore()
    await until(async () => (await dataOf(tabs, 2)) && shares(tabs), 'the reset')
    const { opened } = site
    await site.events.signal('all', 2)
    await site.events.end('all', { reason: 'sold out' })
    const states = await until(async () => {
      const now = await Promise.all(tabs.map((tab) => tab.state()))
      return now.every(({ state }) => state === 'closed') && now
    }, 'the end')
    for (const { reason } of states) expect(reason).to.equal('ended')
    for (const data of await dataOf(tabs, 4)) {
      expect(data).to.deep.equal([1, { reason: 'epoch' }, 2, { reason: 'sold out' }])
    }
    // They were told and did not ask, but for the next leader where the lock was quicker than the word; nobody waits to lead.
    expect(site.opened).to.be.at.most(opened + 1)
    const locks = await tabs[0]?.page.evaluate('navigator.locks.query()')
    expect(locks).to.deep.equal({ held: [], pending: [] })
  })

  it('get what each is to begin with, and nothing twice', async () => {
    for (let i = 0; i < 5; i += 1) await site.events.signal('all', i)
    const cursor = await site.events.cursor()
    await site.events.signal('all', 5)
    const [first] = (await openTabs(context, site, 1, '/replay.sse')) as [Tab]
    expect(await dataOf([first], 3)).to.deep.equal([[3, 4, 5]])
    const second = await openTab(context, site.url)
    await second.start('/replay.sse', { after: cursor })
    expect(await dataOf([second], 1)).to.deep.equal([[5]])
    await site.events.signal('all', 6)
    expect(await dataOf([first], 4)).to.deep.equal([[3, 4, 5, 6]])
    expect(await dataOf([second], 2)).to.deep.equal([[5, 6]])
    expect(site.lines.size).to.equal(1)
  })

  it('share a source, whose items carry no ids, also where a leader wakes up that was replaced', async () => {
    const tabs = await openTabs(context, site, 3, '/ticks.sse')
    const leader = await leaderOf(tabs)
    const others = tabs.filter((tab) => tab !== leader)
    const pid = await rendererOf(leader, cdp)
    process.kill(pid, 'SIGSTOP')
    await leaderOf(others)
    const begun = await dataOf(others, 1)
    // What it still finds in its socket is nobody's business any more.
    process.kill(pid, 'SIGCONT')
    await until(async () => (await leader.state()).role === 'follower', 'the old leader to follow')
    const heard = await dataOf(others, Math.max(...begun.map(({ length }) => length)) + 10)
    for (const data of heard)
      expect(data).to.deep.equal([...new Set(data)].sort((a, b) => Number(a) - Number(b)))
    await until(() => site.lines.size === 1, 'one connection')
  })

  it('get the last value of a shared source at once, whenever they come', async () => {
    const [first] = (await openTabs(context, site, 1, '/load.sse')) as [Tab]
    const [[value]] = (await dataOf([first], 1)) as [[unknown]]
    const second = await openTab(context, site.url)
    await second.start('/load.sse')
    expect(await dataOf([second], 1)).to.deep.equal([[value]])
    expect(site.lines.size).to.equal(1)
  })

  it('have a connection each to what a client has of its own: a mailbox, and a source that is not shared', async () => {
    for (let i = 0; i < 4; i += 1) await site.events.signal('all', i)
    const tabs = await Promise.all(
      ['/mail.sse', '/mail.sse', '/own.sse', '/own.sse'].map(async (path) => {
        const tab = await openTab(context, site.url)
        await tab.start(path)
        return tab
      }),
    )
    const [mail = [], more = [], ...own] = await until(async () => {
      const [a = [], b = [], ...rest] = await Promise.all(tabs.map((tab) => tab.data()))
      return a.length + b.length === 4 && rest.every(({ length }) => length === 3) && [a, b, ...rest]
    }, 'all mail and both answers')
    expect([...mail, ...more].sort()).to.deep.equal([0, 1, 2, 3])
    expect(own).to.deep.equal([
      [1, 2, 3],
      [1, 2, 3],
    ])
    expect((await tabs[0]?.state())?.role).to.equal('alone')
    expect(await tabs[2]?.state()).to.include({ state: 'closed', reason: 'ended', role: 'alone' })
  })

  it('are led by another while a leader is in the back/forward cache, and it gets what it missed', async () => {
    const tabs = await openTabs(context, site, 2)
    const leader = await leaderOf(tabs)
    const others = tabs.filter((tab) => tab !== leader)
    await leader.page.evaluate(
      `addEventListener('pageshow', (event) => { window.wasKept = event.persisted })`,
    )
    await leader.page.goto(`${site.url}/elsewhere`)
    await leaderOf(others)
    await site.events.signal('all', 1)
    await dataOf(others, 1)
    await leader.page.goBack({ waitUntil: 'commit' })
    expect(await leader.page.evaluate('window.wasKept')).to.equal(true)
    expect(await dataOf(tabs, 1)).to.deep.equal([[1], [1]])
    await until(() => shares(tabs), 'two tabs that share')
    expect((await leader.state()).role).to.equal('follower')
    expect(site.lines.size).to.equal(1)
  })

  it('are led by another while a leader is frozen, and it gets what it missed', async () => {
    const frozen = await openRawTab(browser, site.url)
    await startRaw(frozen, 'leader')
    const front = await openRawTab(browser, site.url)
    await startRaw(front, 'follower')
    await frozen.setFrozen(true)
    const began = Date.now()
    await site.events.signal('all', 1)
    const [[, , , at]] = (await until(
      () => front.evaluate<Heard[]>('heard.length && heard'),
      'the event',
    )) as [Heard]
    expect(at - began).to.be.below(SOON)
    expect(await front.evaluate('live.state.role')).to.equal('leader')
    await frozen.setFrozen(false)
    await until(() => frozen.evaluate('heard.length'), 'what it missed')
    await site.events.signal('all', 2)
    for (const tab of [frozen, front]) {
      await until(() => tab.evaluate('heard.length > 1'), 'the next event')
      expect(await tab.evaluate('heard.map(([, data]) => data)')).to.deep.equal([1, 2])
    }
    expect(await frozen.evaluate('live.state.role')).to.equal('follower')
    expect(site.lines.size).to.equal(1)
    await frozen.close()
    await front.close()
  })

  it('are led by the one that is looked at where the leader is hidden and waits', async () => {
    const hidden = await openRawTab(browser, site.url)
    await startRaw(hidden, 'leader')
    const front = await openRawTab(browser, site.url)
    await startRaw(front, 'follower')
    // So slow are the timers of a tab that was hidden for some minutes; and the server wants nobody for a second.
    await hidden.evaluate(
      'void (({ setTimeout: own }) => { window.setTimeout = (run, ms) => own(run, ms < 1000 ? ms : ms + 60_000) })(window) || 1',
    )
    await front.evaluate(
      `void Object.defineProperty(document, 'hidden', { value: true, writable: true }) || 1`,
    )
    site.refusals = [503]
    site.retryAfter = 1
    const began = Date.now()
    site.cut()
    await until(() => front.evaluate(`live.state.reason === 'server'`), 'the leader to wait')
    await front.evaluate('document.hidden = false')
    await until(
      () => front.evaluate(`live.state.role === 'leader' && live.state.state === 'open'`),
      'the lead',
    )
    expect(Date.now() - began).to.be.at.least(1000)
    await until(() => hidden.evaluate(`live.state.role === 'follower'`), 'the hidden tab to follow')
    await site.events.signal('all', 1)
    for (const tab of [hidden, front]) await until(() => tab.evaluate('heard.length === 1'), 'the event')
    await hidden.close()
    await front.close()
  })

  it('ask the server for what a tab has missed of its leader', async () => {
    // Of the events that its leader passes on, one of these tabs loses every other one, and one loses all.
    await context.addInitScript(`
      const loses = { '#every-other': (count) => count % 2, '#all': () => true }[location.hash]
      const { set } = Object.getOwnPropertyDescriptor(BroadcastChannel.prototype, 'onmessage')
      let count = 0
      if (loses) Object.defineProperty(BroadcastChannel.prototype, 'onmessage', {
        set(handler) { set.call(this, (event) => (event.data?.words?.block && loses(count++)) || handler(event)) },
      })`)
    const tabs = await openTabs(context, site, 1)
    for (const hash of ['#every-other', '#all']) {
      const tab = await openTab(context, `${site.url}/${hash}`)
      await tab.start('/stream.sse')
      tabs.push(tab)
    }
    await until(() => shares(tabs), 'three tabs that share')
    const asked = site.asked
    for (let i = 0; i < 50; i += 1) await site.events.signal('all', i)
    for (const data of await dataOf(tabs, 50)) expect(data).to.deep.equal([...Array(50).keys()])
    expect(site.asked).to.be.within(asked + 2, asked + 100)
  })

  it('ask no more than once where nothing of theirs lies between them and their leader', async () => {
    const after = await site.events.cursor()
    await site.events.signal('of others', 0)
    const [leader] = (await openTabs(context, site, 1)) as [Tab]
    const behind = await Promise.all([1, 2].map(() => openTab(context, site.url)))
    await Promise.all(behind.map((tab) => tab.start('/stream.sse', { after })))
    await until(() => shares([leader, ...behind]), 'three tabs that share')
    // The leader is asked for its place three times meanwhile.
    await sleep(1000)
    expect(site.asked).to.be.at.most(5)
    await site.events.signal('all', 1)
    expect(await dataOf([leader, ...behind], 1)).to.deep.equal([[1], [1], [1]])
    expect(site.asked).to.be.at.most(5)
  })

  it('are led by one that comes and is answered, where the leader waits', async () => {
    const tabs = await openTabs(context, site, 2)
    site.refusals = [503]
    site.retryAfter = 60
    site.cut()
    await until(() => shares(tabs, 'waiting'), 'the leader to wait')
    const late = await openTab(context, site.url)
    await late.start('/stream.sse')
    await until(() => shares([...tabs, late]), 'three tabs that share')
    expect((await late.state()).role).to.equal('leader')
    await site.events.signal('all', 1)
    expect(await dataOf([...tabs, late], 1)).to.deep.equal([[1], [1], [1]])
  })

  it('ask for themselves whether their place is lost where that of their leader is', async () => {
    const tabs = await openTabs(context, site, 2)
    const leader = await leaderOf(tabs)
    const [follower] = tabs.filter((tab) => tab !== leader) as [Tab]
    const whole = await (await fetch(`${site.url}/stream.sse?mode=now&hello`)).text()
    const reset = `event: reset\nid: ${await site.events.cursor()}\ndata: {"reason":"pruned"}\n\n`
    await leader.page.route('**/stream.sse*', (route) =>
      route.fulfill({ contentType: 'text/event-stream', body: `${whole}${reset}retry: 60000\n\n` }),
    )
    const { asked } = site
    site.cut()
    expect(await dataOf([leader], 1)).to.deep.equal([[{ reason: 'pruned' }]])
    await until(() => site.asked > asked, 'the question')
    await leader.page.evaluate('live.close()')
    await leaderOf([follower])
    await site.events.signal('all', 1)
    expect(await dataOf([follower], 1)).to.deep.equal([[1]])
  })

  it('may be led by a worker', async () => {
    const code = `import { listen } from '${site.url}/sse-client.js'
      const live = listen('${site.url}/stream.sse', { share: true })
      live.on('state', ({ role, state }) => postMessage(role + ' ' + state))`
    const tab = await openTab(context, site.url)
    await tab.page.evaluate(`{
      const url = URL.createObjectURL(new Blob([${JSON.stringify(code)}], { type: 'text/javascript' }))
      new Worker(url, { type: 'module' }).onmessage = ({ data }) => { window.told = data }
    }`)
    await until(() => tab.page.evaluate(`window.told === 'leader open'`), 'the worker to lead')
    await tab.start('/stream.sse')
    await until(async () => (await tab.state()).state === 'open', 'the tab')
    await site.events.signal('all', 1)
    expect(await dataOf([tab], 1)).to.deep.equal([[1]])
    expect((await tab.state()).role).to.equal('follower')
  })

  it('let go of the lead by close()', async () => {
    const [tab] = (await openTabs(context, site, 1)) as [Tab]
    const locks = async () => JSON.stringify(await tab.page.evaluate('navigator.locks.query()'))
    expect(await locks()).to.match(/"held":\[\{/)
    await tab.page.evaluate('live.close()')
    await until(async () => (await locks()) === '{"held":[],"pending":[]}', 'nobody to lead')
  })

  it('get what their leader gets through a proxy that holds streams back, and say so', async () => {
    const { heard, states } = await held
    for (const events of heard) expect(events.map(([, data]) => data)).to.deep.equal([1, 2])
    expect(states.map(({ reason }) => reason)).to.deep.equal(['held', 'held'])
    expect(states.map(({ role }) => role).sort()).to.deep.equal(['follower', 'leader'])
  })

  it('ask a server of another make, which knows no such questions, no more often than without sharing', async () => {
    const tab = await openTab(context, site.url)
    await tab.start('/other.sse')
    await until(async () => (await tab.state()).state === 'waiting', 'the end of the stream')
    expect(await tab.state()).to.include({ reason: 'cut', role: 'alone' })
    expect({ asked: site.asked, opened: site.opened }).to.deep.equal({ asked: 1, opened: 1 })
  })

  it('have a connection each where there are no locks, or none for this document', async () => {
    await context.addInitScript(`if (location.hash === '#refused') {
      LockManager.prototype.request = () => Promise.reject(new DOMException('no', 'SecurityError'))
    } else Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })`)
    const tabs = await Promise.all(
      ['', '', '#refused', '#refused'].map((hash) => openTab(context, `${site.url}/${hash}`)),
    )
    await Promise.all(tabs.map((tab) => tab.start('/stream.sse')))
    await until(() => site.lines.size === 4, 'four connections')
    await site.events.signal('all', 1)
    expect(await dataOf(tabs, 1)).to.deep.equal([[1], [1], [1], [1]])
    const roles = (await Promise.all(tabs.map((tab) => tab.state()))).map(({ role }) => role)
    expect(roles).to.deep.equal(['alone', 'alone', 'leader', 'leader'])
  })

  async function startRaw(tab: RawTab, role: string): Promise<void> {
    await until(() => tab.evaluate('!!window.start'), 'the page')
    await tab.evaluate(`void start('/stream.sse', { share: true }) || 1`)
    await until(
      () => tab.evaluate(`live.state.role === '${role}' && live.state.state === 'open'`),
      `the ${role}`,
    )
  }

  /** Two tabs of somebody who logs in first; who was logged in before is not any more. */
  async function openTabsOf(user: string): Promise<Tab[]> {
    await context.addCookies([{ name: 'user', value: user, url: site.url }])
    return openTabs(context, site, 2)
  }

  /** The data that each of the tabs heard, once it is so many. */
  async function dataOf(tabs: readonly Tab[], count: number): Promise<unknown[][]> {
    return (await heardBy(tabs, count)).map((events) => events.map(([, data]) => data))
  }

  /** It takes some seconds to notice the proxy; other tests run meanwhile. */
  async function goThroughProxy(): Promise<{ heard: Heard[][]; states: NotedState[] }> {
    const own = await startSite()
    const proxy = await serveBuffering(own.port, 'all')
    const held = await browser.newContext()
    try {
      const tabs = await openTabs(held, proxy, 2, '/stream.sse', 'buffered')
      await own.events.signal('all', 1)
      await own.events.signal('all', 2)
      const heard = await heardBy(tabs, 2)
      return { heard, states: await Promise.all(tabs.map((tab) => tab.state())) }
    } finally {
      await held.close()
      await proxy.stop()
      await own.close()
    }
  }
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
