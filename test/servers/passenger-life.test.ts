import { spawnSync } from 'node:child_process'
import { readFileSync, utimesSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { openPage, startBrowser } from '../setup/live.js'
import { needProgram } from '../setup/program.js'
import { type Client, stream } from '../support/sse.js'
import { until } from '../support/wait.js'
import { apacheFile } from './apache.js'
import { makeProject } from './app.js'
import { checkout } from './checkout.js'
import { needServers } from './need-servers.js'
import { startUnderPassenger } from './passenger.js'
import type { ServerProcess } from './process.js'
import { USER } from './user.js'

const EXAMPLE = fileURLToPath(new URL('../../examples/passenger', import.meta.url))

describe('examples/passenger, under the real Passenger', () => {
  let root: string
  let server: ServerProcess
  let url: string
  let clients: Client[]

  async function start(htaccess = apacheFile('.htaccess')): Promise<void> {
    server = await startUnderPassenger(root, { startFile: 'app.cjs', htaccess })
    url = `http://127.0.0.1:${server.port}`
  }

  const pid = async () => ((await (await fetch(`${url}/stats.json`)).json()) as { pid: number }).pid

  /** A process that has ended may stay in the list until its parent asks how: in a container, for ever. */
  function isAlive(process: number): boolean {
    try {
      return !/^State:\tZ/m.test(readFileSync(`/proc/${process}/status`, 'utf8'))
    } catch {
      return false
    }
  }

  function parentOf(process: number): number {
    return Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${process}/status`, 'utf8'))?.[1])
  }

  /** A cron job: another process, in a folder of its own. */
  function order(from: string): void {
    const { status, stderr } = spawnSync(checkout().node, [join(root, 'order.js'), from], {
      ...USER,
      cwd: '/',
    })
    expect(status, String(stderr)).to.equal(0)
  }

  beforeEach(async function () {
    needServers(this, { layers: ['Apache', 'Passenger'], http: 1 })
    clients = []
    root = makeProject(EXAMPLE)
    await start()
  })

  afterEach(async () => {
    for (const client of clients ?? []) client.close()
    await server?.stop()
  })

  it('shows an order of a cron job and one of its own button in a browser', async function () {
    const browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    try {
      const page = await openPage(browser, [])
      await page.goto(url)
      await page.waitForFunction(`document.querySelector('#state').value === 'open'`)
      order('Ann, 12.50')
      await page.waitForSelector('li:has-text("Ann, 12.50")')
      await page.click('#order')
      await page.waitForSelector('li:has-text("127.0.0.1")')
      expect(await page.locator('li').count()).to.equal(2)
    } finally {
      await browser.close()
    }
  })

  it('moves to the new process when tmp/restart.txt changes, loses nothing, and the old one goes', async () => {
    const source = new EventSource(`${url}/orders.sse`)
    const seen: string[] = []
    source.onmessage = ({ data }) => seen.push(JSON.parse(data).from)
    try {
      await until(() => source.readyState === EventSource.OPEN, 'the stream')
      const old = await pid()
      order('before')
      await until(() => seen.length === 1, 'the first order')
      writeFileSync(join(root, 'tmp/restart.txt'), '')
      await until(() => source.readyState === EventSource.CONNECTING, 'the end of the stream')
      order('between')
      await until(async () => (await pid()) !== old, 'another process', 20_000)
      await until(() => !isAlive(old), 'the end of the old process', 20_000)
      await until(() => source.readyState === EventSource.OPEN, 'the stream of the new process', 10_000)
      order('after')
      await until(() => seen.length === 3, 'every order')
      expect(seen).to.deep.equal(['before', 'between', 'after'])
    } finally {
      source.close()
    }
  })

  it('ends its streams and its process when Passenger is killed', async () => {
    for (let i = 0; i < 20; i++) clients.push(await stream(`${url}/orders.sse`))
    const app = await pid()
    // Its word for the end comes with the end of the connections, before them or after them.
    process.kill(parentOf(app), 'SIGKILL')
    await until(() => clients.every(({ ended }) => ended), 'the end of the streams')
    await until(() => !isAlive(app), 'the end of the process')
  })

  it('is required from CommonJS, and tells the address that Apache saw from those that clients claim', async () => {
    writeFileSync(
      join(root, 'app.cjs'),
      `const { clientAddress } = require('file-signal')
       const addressOf = clientAddress({ trusted: '127.0.0.1' })
       require('node:http').createServer((req, res) => res.end(addressOf(req))).listen(3000)`,
    )
    const now = Date.now() / 1000
    utimesSync(join(root, 'app.cjs'), now, now)
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const headers = { 'X-Forwarded-For': '6.6.6.6' }
      http.get(url, { localAddress: '127.0.0.2', headers, agent: false }, resolve).on('error', reject)
    })
    expect(await text(answer)).to.equal('127.0.0.2')
  })
})
