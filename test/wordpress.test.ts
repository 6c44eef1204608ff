import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import type { Browser, Page } from 'playwright-core'
import { openPage, startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { interpreterOf, LANGUAGES, type Language } from './setup/publishers.js'
import { freePort, get, type RunningServer, startServer } from './setup/web-server.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const EXAMPLE = join(HERE, 'examples/wordpress')
const ORDER = '/live/order.sse?key=wc_order_a1B2c3D4e5F6g'

describe('the WordPress example', function () {
  this.timeout(60_000)

  let php: string
  let nginx: string
  let browser: Browser
  let page: Page
  let complaints: string[]
  let root: string
  let site: string
  let streams: ChildProcess
  let wordpress: ChildProcess
  let front: RunningServer
  let log: string

  before(async function () {
    const isPhp = ({ name }: Language) => name === 'PHP'
    php = interpreterOf(this, LANGUAGES.find(isPhp) as Language)
    nginx = needProgram(this, 'nginx', 'nginx-light')
    browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
  })
  after(() => browser?.close())

  beforeEach(async () => {
    root = freshFolder()
    site = freshFolder()
    complaints = []
    log = ''
    const nodePort = await startStreams()
    const phpPort = await startWordpress()
    front = await startFront(nodePort, phpPort)
    page = await openPage(browser, complaints)
    const streaming = page.waitForResponse((response) => response.url().endsWith('/live/posts.sse'))
    await page.goto(`http://127.0.0.1:${front.port}/`)
    await streaming
  })

  afterEach(async () => {
    await page.context().close()
    await front.stop()
    for (const child of [streams, wordpress]) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    }
    expect(log, 'what PHP complained about').to.not.match(/Warning|Notice|Deprecated|Fatal/)
  })

  /** The Node app of the example, as its README says. */
  async function startStreams(): Promise<number> {
    const env = { ...process.env, PORT: '0', FILE_SIGNAL_ROOT: root }
    streams = spawn(process.execPath, [join(EXAMPLE, 'server.js')], { env, stdio: 'pipe' })
    let printed = ''
    streams.stdout?.on('data', (text) => {
      printed += text
    })
    const [, port] = await until(() => /listening on (\d+)/.exec(printed), 'the Node app to listen', 15_000)
    const events = createFileSignal({ root })
    await events.stats()
    await events.close()
    return Number(port)
  }

  /** PHP with what the plugin needs of WordPress, and the plugin with the publisher copied into it. */
  async function startWordpress(): Promise<number> {
    const plugin = join(site, 'wp-content/plugins/file-signal-live')
    mkdirSync(join(site, 'wp-content/plugins'), { recursive: true })
    cpSync(join(EXAMPLE, 'file-signal-live'), plugin, { recursive: true })
    cpSync(join(HERE, 'examples/publishers/file-signal.php'), join(plugin, 'file-signal.php'))
    cpSync(join(HERE, 'test/fixtures/wordpress/index.php'), join(site, 'index.php'))
    writeFileSync(join(site, 'wp-config.php'), `<?php define('FILE_SIGNAL_ROOT', '${root}');`)
    const port = await freePort()
    wordpress = spawn(php, ['-S', `127.0.0.1:${port}`, 'index.php'], { cwd: site, stdio: 'pipe' })
    wordpress.stderr?.on('data', (text) => {
      log += text
    })
    await until(() => get(port, '/'), 'PHP to answer')
    return port
  }

  /** One site: nginx with our file for the streams, everything else goes to PHP. */
  function startFront(nodePort: number, phpPort: number): Promise<RunningServer> {
    return startNginx(nginx, (port, folder) => {
      const proxy = readFileSync(join(HERE, 'nginx/proxy.conf'), 'utf8')
      writeFileSync(join(folder, 'proxy.conf'), proxy.replace('127.0.0.1:3000', `127.0.0.1:${nodePort}`))
      return `server {
        listen 127.0.0.1:${port};
        include ${folder}/proxy.conf;
        location / { proxy_pass http://127.0.0.1:${phpPort}; }
      }`
    })
  }

  async function post(path: string, values: Record<string, string>): Promise<void> {
    const address = `http://127.0.0.1:${front.port}${path}?${new URLSearchParams(values)}`
    const answer = await fetch(address, { method: 'POST' })
    expect([answer.status, await answer.text()]).to.deep.equal([200, 'saved'])
  }

  const status = () => page.textContent('[data-live-order] strong')
  const titles = () => page.locator('[data-live-posts] li').allTextContents()

  it('shows a customer the new status of the order as soon as WordPress knows it', async () => {
    expect(await status()).to.equal('In Arbeit')
    await post('/order', { status: 'completed' })
    await until(async () => (await status()) === 'Erledigt ✓', 'the new status', 2000)
    await page.reload()
    expect(await status()).to.equal('Erledigt ✓')
    expect(complaints).to.deep.equal([])
  })

  it('shows what happened between the page and its stream, as a page from a cache does', async () => {
    await post('/order', { status: 'completed' })
    writeFileSync(join(site, 'status'), 'processing')
    await page.reload()
    await until(async () => (await status()) === 'Erledigt ✓', 'the newest status', 2000)
  })

  it('tells an order’s news to nobody who lacks its key', async () => {
    expect((await get(front.port, ORDER, 'ready')).status).to.equal(200)
    for (const key of ['wc_order_', 'wc_order_a1B2c3D4e5F6g/..', 'posts', '', '12']) {
      const { status: refused } = await get(front.port, `/live/order.sse?key=${encodeURIComponent(key)}`)
      expect(refused, key).to.equal(403)
    }
    expect((await get(front.port, '/live/order.sse')).status).to.equal(403)
  })

  it('shows new posts as text, each once, and nothing of drafts, private ones and revisions', async () => {
    const hostile = '<img src=x onerror="document.title=1"> “ё”'
    await post('/post', { id: '1', post_title: 'A draft', post_status: 'draft' })
    await post('/post', { id: '2', post_title: 'Private', post_status: 'private' })
    await post('/post', { id: '3', post_title: 'Protected', post_password: 'x' })
    await post('/post', { id: '4', post_title: 'A page', post_type: 'page' })
    await post('/post', { id: '1000', post_title: 'A revision' })
    await post('/post', { id: '5', post_title: 'First' })
    await post('/post', { id: '6', post_title: hostile })
    await post('/post', { id: '5', post_title: 'First, corrected' })
    await until(async () => (await titles())[0] === 'First, corrected', 'the posts', 2000)
    expect(await titles()).to.deep.equal(['First, corrected', hostile])
    expect(await page.locator('[data-live-posts] img').count()).to.equal(0)
    expect(await page.locator('[data-live-posts] a').first().getAttribute('href')).to.equal('/?p=5')
    expect(complaints).to.deep.equal([])
  })

  it('leaves WordPress at work where the store is gone, and says so in the error log', async () => {
    writeFileSync(join(site, 'wp-config.php'), `<?php define('FILE_SIGNAL_ROOT', '${freshFolder()}');`)
    await post('/order', { status: 'completed' })
    await until(() => /file-signal live: STORE_MISSING: no store at/.test(log), 'the line in the error log')
  })

  it('does nothing when its file is asked for by its address', async () => {
    const answer = await get(front.port, '/wp-content/plugins/file-signal-live/file-signal-live.php')
    expect([answer.status, answer.body]).to.deep.equal([200, ''])
  })
})

/** nginx in a folder of its own, with one server block. */
async function startNginx(
  nginx: string,
  site: (port: number, folder: string) => string,
): Promise<RunningServer> {
  const folder = freshFolder()
  const port = await freePort()
  const config = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const block = site(port, folder)
  writeFileSync(
    config,
    `worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/error.log; events {}
    http { ${temporary.join(' ')} access_log off; ${block} }`,
  )
  const args = ['-p', folder, '-c', config, '-g', 'daemon off;']
  return startServer(nginx, args, port, join(folder, 'error.log'))
}
