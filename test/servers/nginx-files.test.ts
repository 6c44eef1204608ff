import { expect } from 'chai'
import { freePort } from '../setup/web-server.js'
import { until } from '../support/wait.js'
import { startApp } from './app.js'
import { type Asked, ask } from './ask.js'
import type { Layer } from './cell.js'
import type { Inner } from './chain.js'
import { expectDeploy } from './deploy.js'
import { KEPT, makeSite, SHARED } from './kept.js'
import { needLayer, needServers } from './need-servers.js'
import { HOSTILE_NGINX, nginxFile, proxyAll, startNginx } from './nginx.js'
import { startNginxPassenger } from './nginx-passenger/server.js'

interface File {
  readonly name: string
  readonly layers: readonly Layer[]
  /** Starts a hostile nginx with the file, and the app; or a site of files with it. */
  start(documents?: string): Promise<Pick<Inner, 'port' | 'stop'>>
}

const files: readonly File[] = [
  { name: 'proxy.conf', layers: ['nginx'], start: (documents) => startProxy('proxy.conf', documents) },
  {
    name: 'behind-nginx.conf',
    layers: ['nginx'],
    start: (documents) => startProxy('behind-nginx.conf', documents),
  },
  {
    name: 'passenger.conf',
    layers: ['nginx', 'Passenger'],
    start: (documents) =>
      startNginxPassenger({
        http: `${HOSTILE_NGINX} passenger_buffer_response on; passenger_ignore_headers X-Accel-Buffering;`,
        server: nginxFile('passenger.conf'),
        ...(documents === undefined ? {} : { documents }),
      }),
  },
]

async function startProxy(name: string, documents?: string): Promise<Pick<Inner, 'port' | 'stop'>> {
  const app = await startApp()
  const pages = documents === undefined ? proxyAll(app.port) : `root ${documents};`
  const server = await startNginx({ http: HOSTILE_NGINX, server: `${nginxFile(name, app.port)}\n${pages}` })
  return {
    port: server.port,
    async stop() {
      await server.stop()
      await app.stop()
    },
  }
}

for (const file of files) {
  describe(`nginx/${file.name}`, () => {
    let server: Pick<Inner, 'port' | 'stop'>
    let url: string

    before(async function () {
      needServers(this, { layers: file.layers, http: 1 })
      // Passenger's module may have to be built.
      this.timeout(120_000)
      server = await file.start()
      url = `http://127.0.0.1:${server.port}`
    })
    after(async () => {
      await server?.stop()
    })

    it('leaves other pages compressed', async () => {
      const page = await ask(`${url}/page.txt`, { 'accept-encoding': 'gzip' })
      expect(page.status).to.equal(200)
      expect(page.headers['content-encoding']).to.equal('gzip')
    })

    it('leaves other pages buffered', async () => {
      const page = await ask(`${url}/slow.txt`)
      expect(page.body).to.equal('first\nsecond\n')
      // The app sends the second part 400 ms after the first.
      expect(page.firstByte).to.be.greaterThan(350)
    })

    it('does not compress a stream with gzip, and passes on the header that a server in front needs', async () => {
      const stream = await ask(`${url}/stream/a.sse?mode=short`, { 'accept-encoding': 'gzip' })
      expect(stream.status).to.equal(200)
      expect(stream.headers).not.to.have.property('content-encoding')
      expect(stream.headers['x-accel-buffering']).to.equal('no')
      expect(stream.body).to.contain('event: ready')
    })

    it('answers for an app that says 503: browsers come back after 2 to 5 s, each in its own time', async () => {
      await expectWaits(`${url}/busy.sse`)
      const page = await ask(`${url}/busy`)
      expect([page.status, page.body]).to.deep.equal([503, 'Busy\n'])
    })

    it('denies what file-signal keeps, and nothing beside it', async () => {
      const site = await file.start(makeSite())
      try {
        for (const path of KEPT)
          expect((await ask(`http://127.0.0.1:${site.port}${path}`)).status, path).to.equal(404)
        for (const path of SHARED) {
          expect((await ask(`http://127.0.0.1:${site.port}${path}`)).status, path).to.equal(200)
        }
      } finally {
        await site.stop()
      }
    })
  })
}

for (const name of ['proxy.conf', 'behind-nginx.conf']) {
  describe(`nginx/${name}, while the app is down`, () => {
    it('has browsers come back after 2 to 5 s, each in its own time', async function () {
      needLayer(this, 'nginx')
      const server = await startNginx({ server: nginxFile(name, await freePort()) })
      try {
        await expectWaits(`http://127.0.0.1:${server.port}/stream/a.sse`)
      } finally {
        await server.stop()
      }
    })
  })
}

describe('a deploy behind nginx/proxy.conf', () => {
  it('keeps an EventSource, which gets what was published while the app was down', async function () {
    needLayer(this, 'nginx')
    await expectDeploy((port) => startNginx({ server: nginxFile('proxy.conf', port) }))
  })
})

/** Asks until the waits differ as the clock makes them; some fifty requests do. */
async function expectWaits(url: string): Promise<void> {
  const waits = new Set<number>()
  await until(async () => {
    waits.add(expectRestarting(await ask(url)))
    return waits.size > 10 && Math.max(...waits) - Math.min(...waits) > 2000
  }, 'waits that differ')
}

/** nginx's own answer in the place of an error; resolves with the time it asks to wait, in milliseconds. */
function expectRestarting({ status, headers, body }: Asked): number {
  expect(status).to.equal(200)
  expect(headers['content-type']).to.equal('text/event-stream')
  expect(headers['cache-control']).to.equal('no-store, no-transform')
  const retry = /^: the app is restarting\nretry: (\d{4})\n\n$/.exec(body)?.[1]
  expect(Number(retry), body).to.be.within(2000, 4999)
  return Number(retry)
}
