import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { freePort } from '../setup/web-server.js'
import { until } from '../support/wait.js'
import { apacheFile, BARE, DEFLATE_ALL, EVERYTHING, startApache } from './apache.js'
import { type App, startApp } from './app.js'
import { type Asked, ask } from './ask.js'
import type { Link } from './chain.js'
import { expectDeploy } from './deploy.js'
import { KEPT, makeSite, SHARED } from './kept.js'
import { listen } from './listener.js'
import { needLayer } from './need-servers.js'
import type { ServerProcess } from './process.js'
import { userFolder } from './user.js'

const GZIP = { 'accept-encoding': 'gzip' }
const DEFLATE_IF_THERE = `<IfModule mod_deflate.c>\n${DEFLATE_ALL}\n</IfModule>`

/** Without mod_proxy, which alone a site of files does not need. */
const OF_FILES = EVERYTHING.filter((name) => !name.startsWith('proxy'))

const ASIS = fileURLToPath(new URL('../../apache/restarting.asis', import.meta.url))
const WITH_ASIS = [...EVERYTHING, 'asis']

/** The files that answer for an app that is down, with mod_asis and restarting.asis in its place. */
const RESTARTING: Record<string, Link> = {
  'vhost.conf': (port) => {
    const asis = join(userFolder(), 'restarting.asis')
    copyFileSync(ASIS, asis)
    const file = apacheFile('vhost.conf', port).replace('/path/to/apache/restarting.asis', asis)
    return startApache({
      modules: WITH_ASIS,
      server: `${DEFLATE_ALL}\n${file}\nProxyPass /down http://127.0.0.1:${port}/`,
    })
  },
  'proxy.htaccess': (port) => {
    const site = makeSite()
    copyFileSync(ASIS, join(site, 'restarting.asis'))
    return startApache({
      site,
      modules: WITH_ASIS,
      server: `${DEFLATE_ALL}\nProxyPass /down http://127.0.0.1:${port}/`,
      htaccess: apacheFile('proxy.htaccess', port),
    })
  },
}

describe('the files of apache/', () => {
  let app: App
  let server: ServerProcess

  before(async function () {
    needLayer(this, 'Apache')
    app = await startApp()
  })
  after(async () => {
    await app?.stop()
  })
  afterEach(async () => {
    await server?.stop()
  })

  function get(path: string, headers = {}): Promise<Asked> {
    return ask(`http://127.0.0.1:${server.port}${path}`, headers)
  }

  async function expectDenied(status: number): Promise<void> {
    for (const path of KEPT) expect((await get(path)).status, path).to.equal(status)
    for (const path of SHARED) expect((await get(path)).status, path).to.equal(200)
  }

  /** Each address comes to the app as it was sent, and its stream comes back as it is. */
  async function expectStreams(): Promise<void> {
    for (const path of ['/stream/a.sse', '/sse/a?x=%26', '/stream/user%3A42%20%C3%A9.sse']) {
      const stream = listen(`http://127.0.0.1:${server.port}${path}`)
      try {
        await until(() => stream.isReady || stream.isOver, 'ready')
        expect([stream.status, stream.isReady], path).to.deep.equal([200, true])
        expect(stream.headers, path).not.to.have.property('content-encoding')
      } finally {
        stream.leave()
      }
    }
  }

  describe('.htaccess, with AllowOverride FileInfo and nothing more', () => {
    beforeEach(async () => {
      server = await startApache({
        site: makeSite(),
        modules: OF_FILES,
        server: DEFLATE_IF_THERE,
        htaccess: apacheFile('.htaccess'),
      })
    })

    it('takes compression off streams, and off nothing else', async () => {
      for (const path of ['/feed.sse', '/sse/feed']) {
        const stream = await get(path, GZIP)
        expect(stream.status).to.equal(200)
        expect(stream.headers).not.to.have.property('content-encoding')
        expect(stream.headers['x-accel-buffering']).to.equal('no')
      }
      const byAccept = await get('/page.txt', { ...GZIP, accept: 'text/event-stream' })
      expect(byAccept.headers).not.to.have.property('content-encoding')
      const page = await get('/page.txt', GZIP)
      expect(page.headers['content-encoding']).to.equal('gzip')
      expect(page.headers).not.to.have.property('x-accel-buffering')
    })

    it('denies what file-signal keeps, and nothing beside it', () => expectDenied(404))
  })

  describe('proxy.htaccess, with AllowOverride FileInfo and nothing more', () => {
    beforeEach(async () => {
      server = await startApache({
        site: makeSite(),
        server: DEFLATE_ALL,
        htaccess: apacheFile('proxy.htaccess', app.port),
      })
    })

    it('passes streams on to the app with the address as it came, and leaves other pages to the site', async () => {
      await expectStreams()
      const page = await get('/page.txt', GZIP)
      expect(page.headers['content-encoding']).to.equal('gzip')
      expect(page.body).to.match(/^A line that compresses/)
    })

    it('denies what file-signal keeps, and nothing beside it', () => expectDenied(404))
  })

  for (const name of ['.htaccess', 'proxy.htaccess']) {
    it(`${name} does no harm where Apache lacks the modules`, async () => {
      server = await startApache({ site: makeSite(), modules: BARE, server: '', htaccess: apacheFile(name) })
      for (const path of ['/page.txt', '/feed.sse']) expect((await get(path)).status, path).to.equal(200)
    })
  }

  describe('vhost.conf', () => {
    beforeEach(async () => {
      server = await startApache({
        site: makeSite(),
        server: `${DEFLATE_ALL}\n${apacheFile('vhost.conf', app.port)}`,
      })
    })

    it('passes streams on to the app without compression, and leaves other pages to the site', async () => {
      await expectStreams()
      const page = await get('/page.txt', GZIP)
      expect(page.headers['content-encoding']).to.equal('gzip')
    })

    it('denies what file-signal keeps, and nothing beside it', () => expectDenied(403))
  })

  it('vhost.conf needs no more than mod_proxy_http', async () => {
    server = await startApache({
      modules: [...BARE, 'proxy', 'proxy_http'],
      server: apacheFile('vhost.conf', app.port),
    })
    expect((await get('/stream/a.sse?mode=short')).body).to.contain('event: ready')
  })

  for (const [name, start] of Object.entries(RESTARTING)) {
    it(`${name} keeps an EventSource through a deploy, which gets what was published while the app was down`, async () => {
      await expectDeploy(start)
    })

    it(`${name} answers for an app that is down, and not for other pages`, async () => {
      server = await start(await freePort())
      const stream = await get('/stream/a.sse')
      expect([stream.status, stream.body]).to.deep.equal([200, ': the app is restarting\n\n'])
      expect(stream.headers['content-type']).to.equal('text/event-stream')
      expect(stream.headers['cache-control']).to.equal('no-store, no-transform')
      expect((await get('/down')).status).to.equal(503)
    })
  }
})
