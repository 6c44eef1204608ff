import { spawnSync } from 'node:child_process'
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { type LiveServer, logLines, openPage, startBrowser, startLive } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

/** What the job must find: 12 copies before the files that take their time, 8 after them. */
const COPIES_BEFORE = 12
const COPIES_AFTER = 8
const HOSTILE = '<img src=x onerror="document.title=1">'

describe('the live example', () => {
  let browser: Browser
  let server: LiveServer
  let page: Page
  let root: string
  let complaints: string[]
  let frozen: number | null

  before(async function () {
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
  })
  after(() => browser?.close())
  beforeEach(async () => {
    root = freshFolder()
    complaints = []
    frozen = null
    server = await startLive(createWork(), root)
    page = await openPage(browser, complaints)
    await page.goto(server.address)
    await page.waitForSelector('[data-state=open]')
  })
  afterEach(async () => {
    await page.context().close()
    await server.stop()
    // A test that failed in the middle leaves a job that waits for ever.
    if (frozen !== null) spawnSync('kill', ['-KILL', String(frozen)])
  })

  /** Starts the job and stops its process in the middle, after the first findings. */
  async function startAndFreeze(): Promise<void> {
    await page.click('#start')
    await until(async () => (await logLines(page, 'finding')).length === COPIES_BEFORE, 'the first findings')
    const pid = Number(await page.locator('#facts dd').first().textContent())
    process.kill(pid, 'SIGSTOP')
    frozen = pid
  }

  function release(signal: 'SIGCONT' | 'SIGKILL'): void {
    if (frozen !== null) process.kill(frozen, signal)
    frozen = null
  }

  it('goes from the button over progress to the end, and shows what the job found, names of files as text', async () => {
    expect(await page.textContent('#state')).to.equal('No job yet.')
    await page.click('#start')
    await until(async () => /^\d+ of 28 files/.test((await page.textContent('#state')) ?? ''), 'progress')
    await untilFinished(page, 'the end')
    expect(await page.locator('#progress').evaluate(share)).to.equal(1)
    expect(await page.locator('#facts').textContent()).to.match(/Files28.*Copies20/)
    const findings = await logLines(page, 'finding')
    expect(new Set(findings)).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(findings).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(findings.filter((line) => line.includes(HOSTILE))).to.have.lengthOf(1)
    expect(await page.locator('#log img').count()).to.equal(0)
    expect(complaints).to.deep.equal([])
  })

  it('shows a second browser and a reload in the middle the same job, each finding once', async () => {
    await startAndFreeze()
    const second = await openPage(browser, complaints)
    await second.goto(server.address)
    await page.reload()
    const early = await until(async () => {
      const [mine, theirs] = [await logLines(page, 'finding'), await logLines(second, 'finding')]
      return mine.length === COPIES_BEFORE && theirs.length === COPIES_BEFORE && { mine, theirs }
    }, 'both pages to catch up')
    expect(early.mine).to.deep.equal(early.theirs)
    expect(await second.locator('#start').isDisabled()).to.equal(true)
    release('SIGCONT')
    await untilFinished(page, 'the end on the first page')
    await untilFinished(second, 'the end on the second page')
    const findings = await logLines(page, 'finding')
    expect(findings).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(new Set(findings)).to.have.lengthOf(findings.length)
    expect(await logLines(second, 'finding')).to.deep.equal(findings)
    expect(await second.locator('#facts').textContent()).to.equal(await page.locator('#facts').textContent())
    expect(complaints).to.deep.equal([])
    await second.context().close()
  })

  it('prints a shell line that signals the page', async () => {
    const line = await until(() => page.textContent('#command'), 'the line')
    const { status, stderr } = spawnSync('sh', ['-c', line], { cwd: '/', encoding: 'utf8' })
    expect(status, stderr).to.equal(0)
    await page.waitForSelector('[data-event=note]')
    expect(await logLines(page, 'note')).to.deep.equal(['hello'])
  })

  it('keeps what happens while the server is away', async () => {
    await startAndFreeze()
    expect(await server.stop()).to.equal(0)
    await page.waitForSelector('[data-state=waiting]')
    release('SIGCONT')
    const events = createFileSignal({ root })
    await events.signal('jobs', { note: 'nobody listens' }, { event: 'note' })
    await events.close()
    server = await startLive(createWork(), root, server.port)
    await page.waitForSelector('[data-event=note]', { timeout: 15_000 })
    await untilFinished(page, 'the end')
    const findings = await logLines(page, 'finding')
    expect(findings).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(new Set(findings)).to.have.lengthOf(findings.length)
  })

  it('kills its web process and starts another; what the job says meanwhile comes afterwards, each once', async () => {
    await startAndFreeze()
    await page.click('#kill')
    await page.waitForSelector('[data-state=waiting]')
    release('SIGCONT')
    const story = await until(async () => (await logLines(page, 'outage'))[0], 'the story', 15_000)
    const [, before, after, late] =
      /^Away for \d+\.\d s\. Web process (\d+) is gone, (\d+) answers\. (\d+) events happened meanwhile: none is missing, none came twice\.$/.exec(
        story,
      ) ?? expect.fail(story)
    expect(before).to.not.equal(after)
    expect(Number(late)).to.be.at.least(COPIES_AFTER)
    await untilFinished(page, 'the end')
    expect(await page.textContent('#facts')).to.match(/Events\d+, each exactly once$/)
    const findings = await logLines(page, 'finding')
    expect(findings).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(new Set(findings)).to.have.lengthOf(findings.length)
  })

  it('shares one connection between its tabs, and a tab that is closed costs the others nothing', async () => {
    const streams = async () => {
      const about = await fetch(`${server.address}/about.json`, { headers: { Connection: 'close' } })
      return ((await about.json()) as { streams: number }).streams
    }
    const role = (tab: Page, word: string) =>
      tab.waitForSelector(`#connection-facts dd:text-matches("^${word}")`)
    await role(page, 'leads')
    const second = await page.context().newPage()
    await second.goto(server.address)
    await role(second, 'follows')
    // A tab behind another one is drawn once a second.
    await page.bringToFront()
    await startAndFreeze()
    await until(async () => (await logLines(second, 'finding')).length === COPIES_BEFORE, 'the second tab')
    expect(await streams()).to.equal(1)
    await page.close()
    release('SIGCONT')
    await role(second, 'leads')
    await untilFinished(second, 'the end')
    expect(await second.textContent('#facts')).to.match(/Events\d+, each exactly once$/)
    expect(await logLines(second, 'finding')).to.have.lengthOf(COPIES_BEFORE + COPIES_AFTER)
    expect(await streams()).to.equal(1)
  })

  it('restarts its web process as a deploy does, and says it where an event is lost or comes twice', async () => {
    const events = createFileSignal({ root })
    const say = (number: number) => events.signal('jobs', { number }, { event: 'progress' })
    await say(1)
    await page.click('#deploy')
    await page.waitForSelector('[data-state=waiting]')
    for (const number of [1, 2, 5]) await say(number)
    await events.close()
    const story = await until(async () => (await logLines(page, 'outage'))[0], 'the story', 15_000)
    expect(story).to.match(/ 3 events happened meanwhile: 3 are missing or came twice\.$/)
    expect(await page.textContent('#facts')).to.match(/Events5, 2 lost, 1 twice$/)
  })

  it('runs one job at a time, tells of one that was killed, and lets another begin', async () => {
    await startAndFreeze()
    expect(await post(server, {})).to.equal(409)
    release('SIGKILL')
    await until(
      async () => (await page.textContent('#state')) === 'Failed: it ended with SIGKILL.',
      'the failure',
    )
    await page.click('#start')
    await untilFinished(page, 'the end of the next job')
    expect(await logLines(page, 'started')).to.have.lengthOf(2)
  })

  it('refuses a foreign or missing Origin, and every request under another name', async () => {
    expect(await post(server, { Origin: 'http://evil.example' })).to.equal(403)
    expect(await post(server, { Origin: `http://127.0.0.1:${server.port + 1}` })).to.equal(403)
    expect(await post(server, { Origin: undefined })).to.equal(403)
    expect(await post(server, { Host: 'evil.example', Origin: 'http://evil.example' })).to.equal(403)
    expect(await ask(server, 'POST', '/restart?how=kill', { Origin: 'http://evil.example' })).to.equal(403)
    const host = { Host: `evil.example:${server.port}` }
    expect(await ask(server, 'GET', '/stream/jobs.sse', host)).to.equal(403)
    expect(await ask(server, 'GET', '/about.json', host)).to.equal(403)
    expect(await ask(server, 'GET', '/inspector/', host)).to.equal(403)
    expect(await ask(server, 'GET', '/', {})).to.equal(200)
    expect(await ask(server, 'GET', '/inspector/', {})).to.equal(200)
    expect(await logLines(page, 'started')).to.deep.equal([])
  })
})

/** Sparse files take as long to read as full ones, and no disk. */
function createWork(): string {
  const folder = freshFolder()
  const copy = (name: string, text: string) => writeFileSync(join(folder, name), text.repeat(2000))
  for (let i = 0; i <= COPIES_BEFORE; i += 1) copy(`a-${String(i).padStart(2, '0')}`, 'a')
  for (let i = 0; i < 6; i += 1) {
    writeFileSync(join(folder, `m-${i}`), '')
    truncateSync(join(folder, `m-${i}`), 64 * 1024 * 1024 + i)
  }
  mkdirSync(join(folder, 'z'))
  for (let i = 0; i < COPIES_AFTER; i += 1) copy(`z/${i}`, 'z')
  copy(`z/${HOSTILE}`, 'z')
  return folder
}

/** The job reads some hundred megabytes, and other processes may want this machine too. */
function untilFinished(page: Page, what: string): Promise<boolean> {
  return until(async () => /^Finished after/.test((await page.textContent('#state')) ?? ''), what, 15_000)
}

function share(bar: { value?: number; max?: number }): number {
  return (bar.value ?? 0) / (bar.max ?? 1)
}

type Headers = Record<string, string | undefined>

function post(server: LiveServer, headers: Headers): Promise<number | undefined> {
  return ask(server, 'POST', '/jobs', { Origin: server.address, ...headers })
}

/** Not fetch(), which sets Host and Origin itself. */
function ask(
  server: LiveServer,
  method: string,
  path: string,
  headers: Headers,
): Promise<number | undefined> {
  const sent = Object.entries(headers).filter((header): header is [string, string] => header[1] !== undefined)
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: server.port, method, path, agent: false }
    const asked = request({ ...options, headers: Object.fromEntries(sent) }, (response) => {
      response.resume()
      resolve(response.statusCode)
      asked.destroy()
    })
    asked.on('error', reject)
    asked.end()
  })
}
