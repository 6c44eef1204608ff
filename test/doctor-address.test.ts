import { readFileSync } from 'node:fs'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { setInterval as every } from 'node:timers'
import { expect } from 'chai'
import {
  type Check,
  createFileSignal,
  type Diagnosis,
  type DoctorOptions,
  doctor,
  type FileSignal,
} from 'file-signal'
import type { Context } from 'mocha'
import { findCulprit } from '../dist/doctor/web/layers.js'
import { checkStream } from '../dist/doctor/web/stream.js'
import { parseTarget } from '../dist/doctor/web/target.js'
import { makeCertificate } from './setup/certificates.js'
import { runCli } from './setup/cli.js'
import {
  answer,
  type Hostile,
  serveBuffering,
  serveHttp,
  serveHttp2,
  serveRaw,
  serveTls,
} from './setup/hostile.js'
import { needProgram } from './setup/program.js'
import { freePort } from './setup/web-server.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { sideBySide } from './support/side-by-side.js'

/** For the tests that make certificates. */
const needOpenssl = (context: Context) => void needProgram(context, 'openssl', 'openssl')

const PAGE = '<!doctype html><html><head><title>Just a moment...</title></head><body>'

/** What one test works with. */
interface Site {
  readonly root: string
  events: FileSignal
  use(server: Promise<Hostile>): Promise<Hostile>
  /** The app: one stream of the key `orders`, at any path. */
  app(heartbeat?: number): Promise<Hostile>
  /** The address alone, unless the store is needed. */
  look(url: string, options?: DoctorOptions): Promise<Diagnosis>
}

async function withSite(test: (site: Site) => Promise<void>): Promise<void> {
  const servers: Hostile[] = []
  const root = freshFolder()
  const site: Site = {
    root,
    events: createFileSignal({ root }),
    use: async (server) => {
      servers.push(await server)
      return server
    },
    app: (heartbeat = 300) => {
      site.events = createFileSignal({ root, heartbeat })
      return site.use(serveHttp(site.events.handler('orders')))
    },
    look: (url, options = {}) => doctor({ root, url, local: false, ...options }),
  }
  try {
    await test(site)
  } finally {
    await site.events.close()
    for (const server of servers) await server.stop()
  }
}

describe('doctor with an address', () => {
  const aside = sideBySide(withSite, 6)

  /** For what measures so well that others would disturb it, or works so hard that it would disturb others. */
  function alone(title: string, test: (site: Site) => Promise<void>): void {
    it(title, () => withSite(test))
  }

  describe('says of a stream that works', () => {
    alone(
      'that events come one by one, how late, and when the app notices that a client left',
      async (site) => {
        const { url } = await site.app()
        const found = await site.look(`${url}/orders.sse`, {
          local: true,
          publish: 'orders',
          events: site.events,
        })
        expect(failed(found)).to.deep.equal([])
        expect(found.stream).to.include({
          streams: true,
          buffered: false,
          compressed: null,
          http: '1.1',
          short: true,
        })
        expect(found.stream?.delay).to.include({ sent: 5, arrived: 5 })
        expect(found.stream?.delay?.p50).to.be.below(30)
        expect(found.stream?.shortDelay).to.be.below(100)
        expect(check(found, 'leaving')).to.match(/^pass: the app noticed at once/)
        expect(check(found, 'same store')).to.match(/^pass: the stream reads the store that is used here/)
        expect(check(found, 'six connections')).to.match(/^warn: over HTTP\/1.1 a browser opens six/)
        expect(check(found, 'layers')).to.match(/^pass: no header names a layer/)
      },
    )

    alone('how soon short responses come, also where they begin with a replay', async (site) => {
      site.events = createFileSignal({ root: site.root, heartbeat: 300 })
      for (let i = 0; i < 5; i += 1) await site.events.signal('orders', 'old')
      const { url } = await site.use(serveHttp(site.events.handler('orders', { replay: 3 })))
      const found = await site.look(`${url}/orders.sse`, { publish: 'orders' })
      expect(check(found, 'short responses')).to.match(/^pass: .*; an event came \d/)
      expect(found.stream?.shortDelay).to.be.below(200)
    })

    alone(
      'how soon short responses come on a key that is never quiet, without a claim about its own events',
      async (site) => {
        const { url } = await site.app()
        await site.events.signal('orders', 'old')
        const busy = every(() => void site.events.signal('orders', 'news'), 10)
        try {
          const found = await site.look(`${url}/orders.sse`, { publish: 'orders' })
          expect(failed(found)).to.deep.equal([])
          expect(check(found, 'delay')).to.match(/^pass: 5 of 5 events/)
        } finally {
          clearInterval(busy)
        }
      },
    )

    aside('that nothing could be published, where the store is not there', async (site) => {
      const { url } = await site.app()
      const found = await site.look(`${url}/orders.sse`, { root: freshFolder(), publish: 'orders' })
      expect(check(found, 'delay')).to.match(/^fail: not measured: the store cannot be used here/)
    })

    aside('how many events it has added to the key, where they count in its replay', async (site) => {
      const { url } = await site.app()
      const before = (await site.events.stats()).store.head
      const found = await site.look(`${url}/orders.sse`, { publish: 'orders', events: site.events })
      const added = Number((await site.events.stats()).store.head) - Number(before)
      expect(added).to.equal(6)
      expect(check(found, 'published')).to.equal(
        'warn: 6 events named "doctor" were added to the key "orders": they stay there, and count where a stream replays its last events',
      )
      expect(
        check(await site.look(`${url}/orders.sse`, { publish: true, events: site.events }), 'published'),
      ).to.match(/^pass: /)
    })

    aside('the same without publishing, by the first heartbeat', async (site) => {
      const { url } = await site.app()
      const found = await site.look(`${url}/orders.sse`)
      expect(found.stream).to.include({ streams: true, buffered: false, delay: null })
      expect(check(found, 'buffering')).to.match(/^pass: none: what followed the beginning came in time/)
    })

    aside('how long it stays open, and its heartbeats', async (site) => {
      const { url } = await site.app()
      const seen: number[] = []
      const onIdle = ({ elapsed }: { elapsed: number }) => seen.push(elapsed)
      const found = await site.look(`${url}/orders.sse`, { idle: '2s', onIdle })
      expect(check(found, 'idle')).to.match(/^pass: open for 2.0 s, \d heartbeats, at most \d+ ms apart/)
      expect(seen.at(-1)).to.equal(2000)
    })

    aside('that it reads another store than the one that is used here', async (site) => {
      site.events = createFileSignal({ root: site.root, heartbeat: 300 })
      const handler = site.events.handler('orders')
      const asked = new Set<string | undefined>()
      const { url } = await site.use(
        serveHttp((incoming, outgoing) => {
          asked.add(incoming.url)
          void handler(incoming, outgoing)
        }),
      )
      const other = freshFolder()
      const found = await site.look(`${url}/orders.sse`, { root: other, local: true, publish: 'orders' })
      // Where the files of this account lie is nothing that a foreign server has to know.
      expect(check(found, 'web access')).to.match(/^skip: not asked: the address is not known to read the/)
      expect([...asked].sort()).to.deep.equal(['/orders.sse', '/orders.sse?mode=short'])
      expect(check(found, 'same store')).to.match(/^warn: the stream reads another store/)
      expect(check(found, 'delay')).to.match(
        /^fail: none of \d events arrived: the address reads another store/,
      )
      expect(found.stream?.streams).to.equal(true)
    })

    aside('that it did not come with a second key, and which key to name', async (site) => {
      const { url } = await site.app()
      const found = await site.look(`${url}/orders.sse`, { local: true, publish: true })
      expect(check(found, 'delay')).to.match(
        /^fail: none of 6 events of the key "file-signal:doctor" arrived/,
      )
      expect(remedy(found, 'delay')).to.include('--publish KEY')
      expect(found.ok).to.equal(false)
    })
  })

  describe('finds a layer that holds back', () => {
    alone('everything, and says which one by its headers', async (site) => {
      const { port } = await site.app()
      const proxy = await site.use(serveBuffering(port, 'all'))
      const found = await site.look(`${proxy.url}/orders.sse`, { local: true, publish: 'orders' })
      expect(found.stream).to.deep.include({
        streams: false,
        buffered: true,
        by: 'nginx',
        layers: ['nginx'],
        short: true,
      })
      expect(found.stream?.shortDelay).to.be.below(200)
      expect(check(found, 'buffering')).to.match(/^fail: .* short responses come through: nginx: it ignores/)
      expect(remedy(found, 'buffering')).to.include('nginx/proxy.conf').and.to.include('?mode=short')
    })

    aside('what follows the beginning, without publishing', async (site) => {
      const { port } = await site.app()
      const proxy = await site.use(serveBuffering(port, 'what follows'))
      const found = await site.look(`${proxy.url}/orders.sse`)
      expect(found.stream).to.include({ streams: false, buffered: true, by: 'nginx' })
      expect(check(found, 'buffering')).to.match(
        /^fail: the beginning came, and no heartbeat when it was due/,
      )
    })

    aside('what follows the beginning, as events show that come by short responses alone', async (site) => {
      const { port } = await site.app(15_000)
      const proxy = await site.use(serveBuffering(port, 'what follows'))
      const found = await site.look(`${proxy.url}/orders.sse`, { local: true, publish: 'orders' })
      expect(found.stream).to.include({ streams: false, buffered: true })
      expect(check(found, 'buffering')).to.match(
        /^fail: events come by short responses, and not by the open stream/,
      )
      expect(check(found, 'delay')).to.match(/^fail: none of 5 events arrived/)
    })

    aside(
      'or says that it is not known, where no heartbeat is due in time and nothing may be published',
      async (site) => {
        const { url } = await site.app(60_000)
        const found = await site.look(`${url}/orders.sse`)
        expect(found.stream).to.include({ streams: null, buffered: null })
        expect(check(found, 'buffering')).to.match(/^skip: not known/)
        expect(remedy(found, 'buffering')).to.include('--publish')
      },
    )

    aside('what comes until there is enough of it, also on a stream that is never silent', async (site) => {
      const { port } = await site.app(1000)
      const proxy = await site.use(
        serveHttp(async (incoming, outgoing) => {
          const inner = await fetch(`http://127.0.0.1:${port}${incoming.url}`)
          outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
          const lump: Uint8Array[] = []
          const timer = every(() => outgoing.write(Buffer.concat(lump.splice(0))), 2200)
          outgoing.on('close', () => {
            clearInterval(timer)
            inner.body?.cancel().catch(() => {})
          })
          let passed = false
          try {
            for await (const chunk of inner.body ?? []) {
              if (passed) lump.push(chunk)
              else outgoing.write(chunk)
              passed = true
            }
            outgoing.end(Buffer.concat(lump))
          } catch {}
        }),
      )
      const busy = every(() => void site.events.signal('orders', 'news'), 100)
      try {
        const found = await site.look(`${proxy.url}/orders.sse`, { idle: '4s' })
        expect(found.stream).to.include({ streams: false, buffered: true })
        expect(check(found, 'buffering')).to.match(/^fail: events come in lumps/)
      } finally {
        clearInterval(busy)
      }
    })

    aside('and a layer that cuts idle streams, and whose default that is', async (site) => {
      const { port } = await site.app(15_000)
      const cutter = await site.use(
        serveHttp(async (incoming, outgoing) => {
          const inner = await fetch(`http://127.0.0.1:${port}${incoming.url}`)
          outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
          const timer = setTimeout(() => outgoing.destroy(), 1200)
          outgoing.on('close', () => {
            clearTimeout(timer)
            inner.body?.cancel().catch(() => {})
          })
          try {
            for await (const chunk of inner.body ?? []) outgoing.write(chunk)
            outgoing.end()
          } catch {}
        }),
      )
      const found = await site.look(`${cutter.url}/orders.sse`, { idle: 3000 })
      expect(check(found, 'idle')).to.match(
        /^fail: cut off after 1\.\d s, 1\.\d s after its last byte; 0 heartbeats/,
      )
      expect(remedy(found, 'idle')).to.match(/^look whether the app stopped; else raise .* heartbeat/)
    })

    aside('and one that compresses', async (site) => {
      const { createGzip, constants } = await import('node:zlib')
      const zipped = await site.use(
        serveHttp((incoming, outgoing) => {
          const wants = String(incoming.headers['accept-encoding']).includes('gzip')
          outgoing.writeHead(200, {
            'content-type': 'text/event-stream',
            server: 'Apache/2.4',
            ...(wants ? { 'content-encoding': 'gzip' } : {}),
          })
          outgoing.flushHeaders()
          const text = ': hello\n\nevent: ready\nid: abcd-1\ndata: {"heartbeat":300}\n\n'
          if (incoming.url?.includes('held')) return wants || outgoing.write(text)
          const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH })
          gzip.pipe(outgoing)
          gzip.write(text)
          const timer = every(() => gzip.write(':\n'), 300)
          outgoing.on('close', () => clearInterval(timer))
        }),
      )
      const flushed = await site.look(`${zipped.url}/orders.sse`)
      expect(flushed.stream).to.include({ streams: true, compressed: 'gzip' })
      expect(check(flushed, 'compression')).to.match(/^warn: gzip/)
      const held = await site.look(`${zipped.url}/held.sse`)
      expect(held.stream).to.include({ streams: false, compressed: 'gzip', by: 'Apache' })
      expect(check(held, 'buffering')).to.match(/compression \(gzip\) by Apache holds it back/)
      expect(check(held, 'compression')).to.match(/^fail: gzip, and the stream comes through only without it/)
    })
  })

  describe('tells a stream that ends from one that is held back', () => {
    const CHUNKED = { 'Content-Type': 'text/event-stream', 'Transfer-Encoding': 'chunked' }
    const READY = 'event: ready\nid: abcd-1\ndata: {"heartbeat":15000}\n\n'
    const BEGUN = answer('200 OK', CHUNKED, `${READY.length.toString(16)}\r\n${READY}\r\n`)

    aside('where its key has ended, which it does not open again', async (site) => {
      const { url } = await site.app(15_000)
      await site.events.signal('orders', 'last')
      await site.events.end('orders')
      const found = await site.look(`${url}/orders.sse`)
      expect(check(found, 'ending')).to.match(/^warn: the key has ended: the stream sent \[DONE\] and closed/)
      expect(check(found, 'buffering')).to.match(/^skip: not known: the stream ended before anything was due/)
      expect(found.stream?.buffered).to.equal(null)
      const before = (await site.events.stats()).store.head
      const published = await site.look(`${url}/orders.sse`, { publish: 'orders' })
      expect(check(published, 'delay')).to.match(/^fail: not measured: the key has ended/)
      expect((await site.events.stats()).store.head).to.equal(before)
    })

    alone('where its duration is shorter than its heartbeat', async (site) => {
      site.events = createFileSignal({ root: site.root, heartbeat: '15s' })
      const { url } = await site.use(serveHttp(site.events.handler('orders', { duration: '2s' })))
      const found = await site.look(`${url}/orders.sse`)
      expect(failed(found)).to.deep.equal([])
      expect(check(found, 'ending')).to.match(/^warn: ended in good order after \d\.\d s/)
      expect(found.stream?.buffered).to.equal(null)
      const watched = await site.look(`${url}/orders.sse`, { idle: '4s' })
      expect(check(watched, 'idle')).to.match(/^warn: ended in good order after \d\.\d s/)
      expect(watched.stream?.buffered).to.equal(null)
      const published = await site.look(`${url}/orders.sse`, { publish: 'orders' })
      expect(check(published, 'delay')).to.match(/^pass: 5 of 5 events/)
    })

    const cuts: [what: string, onSocket: (socket: Socket) => void, seen: RegExp][] = [
      ['is cut', (socket) => socket.end(), /^fail: cut off after \d\.\d s$/],
      ['is reset', (socket) => socket.resetAndDestroy(), /^fail: reset \(ECONNRESET\) after \d\.\d s$/],
      [
        'loses its framing',
        (socket) => void socket.write('zz\r\n'),
        /^fail: cut off \(its chunks cannot be read\) after \d\.\d s$/,
      ],
    ]
    for (const [what, cut, seen] of cuts) {
      aside(`where it ${what} before a heartbeat is due`, async (site) => {
        const { url } = await site.use(
          serveRaw((socket) => {
            socket.on('data', (request: Buffer) => {
              if (request.includes('mode=short')) {
                socket.end(answer('204 No Content', {}))
                return
              }
              socket.write(BEGUN)
              const timer = setTimeout(cut, 1500, socket)
              socket.on('close', () => clearTimeout(timer))
            })
          }),
        )
        const found = await site.look(`${url}/orders.sse`)
        expect(check(found, 'ending')).to.match(seen)
        expect(check(found, 'buffering')).to.match(
          /^skip: not known: the stream ended before anything was due/,
        )
        expect(found.ok).to.equal(false)
      })
    }
  })

  describe('says in one line of', () => {
    aside('a host that does not resolve', async (site) => {
      const found = await site.look('http://nothing.invalid/orders.sse')
      expect(check(found, 'name')).to.match(/^fail: the name "nothing.invalid" does not resolve \(E\w+\)$/)
      expect(found.stream).to.equal(null)
    })

    aside('a port that nobody listens on', async (site) => {
      const found = await site.look(`http://127.0.0.1:${await freePort()}/orders.sse`)
      expect(check(found, 'connection')).to.match(
        /^fail: port \d+ does not answer: 127.0.0.1 \(ECONNREFUSED\)$/,
      )
    })

    aside('a redirect loop', async (site) => {
      const { url } = await site.use(
        serveRaw(always(answer('302 Found', { Location: '/login', 'Content-Length': '0' }))),
      )
      const found = await site.look(`${url}/orders.sse`)
      expect(check(found, 'redirects')).to.match(
        /^fail: a redirect loop: \S+\/orders.sse → \S+\/login → \S+\/login$/,
      )
    })

    aside('too many redirects', async (site) => {
      let count = 0
      const { url } = await site.use(
        serveHttp((_incoming, outgoing) => {
          count += 1
          outgoing.writeHead(307, { Location: `/${count}` }).end()
        }),
      )
      expect(check(await site.look(url), 'redirects')).to.match(/^fail: more than 5 redirects, the last to /)
      expect(count).to.equal(6)
    })

    aside('a redirect that it can follow, and sends no cookie to another site', async (site) => {
      const cookies: unknown[] = []
      site.events = createFileSignal({ root: site.root, heartbeat: 300 })
      const stream = site.events.handler('orders')
      const { port } = await site.use(
        serveHttp((incoming, outgoing) => {
          cookies.push(incoming.headers.cookie)
          void stream(incoming, outgoing)
        }),
      )
      const { url } = await site.use(
        serveRaw(
          always(
            answer('301 Moved', { Location: `http://localhost:${port}/new.sse`, 'Content-Length': '0' }),
          ),
        ),
      )
      const found = await site.look(`${url}/orders.sse`, { local: true, headers: { Cookie: 'session=1' } })
      expect(check(found, 'redirects')).to.match(
        /^warn: 1 before the stream, which is at \S+new.sse, on another site: .*; the headers given were not sent to localhost:\d+$/,
      )
      expect(found.stream?.streams).to.equal(true)
      expect(new Set(cookies)).to.deep.equal(new Set([undefined]))
      // The same store, and a server that nobody has named.
      expect(check(found, 'web access')).to.match(
        /^skip: not asked: the stream is on another site, localhost/,
      )
    })

    aside('a login at the end of a redirect that the headers given were not sent to', async (site) => {
      const login = await site.use(serveRaw(always(answer('401 Unauthorized', { 'Content-Length': '0' }))))
      const Location = `http://localhost:${login.port}/orders.sse`
      const { url } = await site.use(
        serveRaw(always(answer('302 Found', { Location, 'Content-Length': '0' }))),
      )
      const headers = { Cookie: 'session=1' }
      const found = await site.look(`${url}/orders.sse`, { headers })
      expect(check(found, 'answer')).to.match(/; the headers given were not sent to localhost:\d+$/)
      expect(remedy(found, 'answer')).to.equal(`look at ${Location} itself, if that site may have them`)
      expect(remedy(await site.look(`${login.url}/orders.sse`, { headers }), 'answer')).to.include('--header')
    })

    aside('answers with control characters, and hands none of them to the terminal', async (site) => {
      const bad = '\x1b]0;owned\x07\x9b31m'
      const length = { 'Content-Length': '0' }
      const stream = { 'Content-Type': `text/event-stream;${bad}`, 'Content-Encoding': bad }
      for (const [text, name, seen] of [
        [answer('302 Found', { Location: `http://[${bad}`, ...length }), 'redirects', /\\u001b\]0;owned/],
        [answer('200 OK', { 'Content-Type': bad, ...length }), 'answer', /no event stream/],
        [answer('200 OK', stream, ': begun\n\n'), 'compression', /\\u001b\]0;owned/],
      ] as const) {
        const { url } = await site.use(serveRaw(always(text)))
        expect(check(await site.look(url), name)).to.match(seen)
        const { stdout } = await runCli(site.root, ['doctor', url, '--no-local'])
        expect(stdout)
          .to.include(name)
          .and.not.match(/[^\P{Cc}\n]/u)
      }
    })

    aside('an HTML page, also one that never ends', async (site) => {
      const type = { 'Content-Type': 'text/html' }
      for (const text of [
        answer('200 OK', { ...type, 'Content-Length': String(PAGE.length) }, PAGE),
        answer('200 OK', type, PAGE),
      ]) {
        const { url } = await site.use(serveRaw(always(text)))
        const found = await site.look(url)
        expect(check(found, 'answer')).to.equal(
          'fail: an HTML page with the title "Just a moment...", no event stream',
        )
      }
    })

    const statuses: [status: string, what: RegExp, remedy: RegExp][] = [
      ['204 No Content', /^fail: status 204: every key of this stream has ended/, /signal the key again/],
      ['401 Unauthorized', /^fail: status 401: a login is asked for/, /--header "Cookie/],
      ['403 Forbidden', /^fail: status 403: /, /--header "Cookie/],
      ['404 Not Found', /^fail: status 404: there is no such route/, /path/],
      ['406 Not Acceptable', /^fail: status 406: the app did not see "Accept/, /Accept/],
      ['502 Bad Gateway', /^fail: status 502: the web server gets no answer from the app/, /start the app/],
      ['508 Loop', /^fail: status 508: CloudLinux/, /share one stream/],
      ['418 Teapot', /^fail: status 418: this is no stream/, /path/],
    ]
    for (const [status, what, how] of statuses) {
      aside(`status ${status}`, async (site) => {
        const { url } = await site.use(serveRaw(always(answer(status, { 'Content-Length': '0' }))))
        const found = await site.look(url)
        expect(check(found, 'answer')).to.match(what)
        expect(remedy(found, 'answer')).to.match(how)
      })
    }

    aside('a web server that answers while the app is down, as nginx/proxy.conf makes it', async (site) => {
      const body = ': the app is restarting\nretry: 3000\n\n'
      const headers = { 'Content-Type': 'text/event-stream', 'Content-Length': String(body.length) }
      const { url } = await site.use(serveRaw(always(answer('200 OK', headers, body))))
      expect(check(await site.look(url), 'answer')).to.match(
        /^fail: a stream that ended at once, without "ready"/,
      )
    })

    aside('something that does not speak HTTP', async (site) => {
      const { url } = await site.use(serveRaw((socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n')))
      const found = await site.look(url)
      expect(check(found, 'answer')).to.match(
        /^fail: no answer: the answer is no HTTP: it begins with "SSH-2.0-Open/,
      )
    })

    aside('a server that closes without an answer', async (site) => {
      const { url } = await site.use(serveRaw((socket) => socket.end()))
      expect(check(await site.look(url), 'answer')).to.match(/^fail: no answer: the connection was closed/)
    })

    aside('plain HTTP where https: was asked for', async (site) => {
      const { port } = await site.app()
      const found = await site.look(`https://127.0.0.1:${port}/orders.sse`)
      expect(check(found, 'certificate')).to.match(/^fail: port \d+ does not speak TLS$/)
    })
  })

  describe('says of a certificate', () => {
    before(function () {
      needProgram(this, 'openssl', 'openssl')
    })

    /** By the command line, for what a process trusts is decided at its start. */
    async function trusting(
      { root }: Site,
      file: string | null,
      url: string,
      ...flags: string[]
    ): Promise<Diagnosis> {
      const env: Record<string, string> = file === null ? {} : { NODE_EXTRA_CA_CERTS: file }
      const { stdout } = await runCli(root, ['doctor', url, '--no-local', '--json', ...flags], '', {
        env,
      })
      return JSON.parse(stdout)
    }

    aside('that it is self-signed, and goes on with --insecure', async (site) => {
      const certificate = makeCertificate('127.0.0.1')
      const { url } = await site.use(
        serveTls(certificate, always(answer('404 Not Found', { 'Content-Length': '0' }))),
      )
      const found = await trusting(site, null, url)
      expect(check(found, 'certificate')).to.equal(
        'fail: the certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT)',
      )
      expect(remedy(found, 'certificate')).to.include('authority')
      expect(check(await trusting(site, null, url, '--insecure'), 'answer')).to.match(/^fail: status 404/)
    })

    aside('that it has expired', async (site) => {
      const certificate = makeCertificate('127.0.0.1', true)
      const { url } = await site.use(serveTls(certificate, () => {}))
      const found = await trusting(site, certificate.file, url)
      expect(check(found, 'certificate')).to.equal('fail: the certificate has expired (CERT_HAS_EXPIRED)')
    })

    aside('nothing, where the server speaks HTTP/2 alone', async (site) => {
      const certificate = makeCertificate('127.0.0.1')
      const { url } = await site.use(serveTls({ ...certificate, ALPNProtocols: ['h2'] }, () => {}))
      const found = await trusting(site, certificate.file, url)
      expect(check(found, 'http version')).to.match(
        /^fail: port \d+ refuses HTTP\/1.1, so it most likely speaks HTTP\/2/,
      )
      expect(found.checks.map(({ name }) => name)).not.to.include('certificate')
    })

    aside('that it is for another name', async (site) => {
      const certificate = makeCertificate('example.org')
      const { url } = await site.use(serveTls(certificate, () => {}))
      const found = await trusting(site, certificate.file, url)
      expect(check(found, 'certificate')).to.match(
        /^fail: the certificate is for another name than "127.0.0.1"/,
      )
    })
  })

  aside(
    'keeps the headers where a redirect goes over to TLS on the same host',
    async (site) => {
      site.events = createFileSignal({ root: site.root, heartbeat: 300 })
      const handler = site.events.handler('orders', {
        authorize: ({ headers }) => headers.cookie === 'session=1',
      })
      const refuse = (stream: ServerHttp2Stream) => stream.close()
      const { port } = await site.use(serveHttp2(makeCertificate('127.0.0.1'), refuse, handler))
      const Location = `https://127.0.0.1:${port}/orders.sse`
      const { url } = await site.use(
        serveRaw(always(answer('301 Moved', { Location, 'Content-Length': '0' }))),
      )
      const found = await site.look(`${url}/orders.sse`, { headers: { Cookie: 'session=1' }, insecure: true })
      expect(check(found, 'answer')).to.match(/^pass: 200 text\/event-stream/)
      expect(check(found, 'redirects')).to.not.include('not sent')
    },
    needOpenssl,
  )

  describe('keeps all other checks', () => {
    aside(
      'where a server ends its HTTP/2 connection in the middle',
      async (site) => {
        site.events = createFileSignal({ root: site.root, heartbeat: 300 })
        const { url } = await site.use(
          serveHttp2(
            makeCertificate('127.0.0.1'),
            (stream) => {
              stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
              stream.session?.goaway()
              stream.write('event: ready\nid: abcd-1\ndata: {}\n\n')
            },
            site.events.handler('orders'),
          ),
        )
        const found = await site.look(`${url}/orders.sse`, { insecure: true })
        expect(check(found, 'http version')).to.match(/^pass: HTTP\/2, its first byte/)
        expect(check(found, 'six connections')).to.match(
          /^warn: 1 of 7 streams on one connection, then the server ended it/,
        )
        expect(check(found, 'buffering')).to.match(/^pass: none/)
      },
      needOpenssl,
    )

    aside('where the app’s own side cannot be asked any more', async (site) => {
      const { url } = await site.app()
      let asked = 0
      const stats = () => {
        asked += 1
        return asked > 1 ? Promise.reject(new Error('gone')) : site.events.stats()
      }
      const found = await site.look(`${url}/orders.sse`, { events: { stats } })
      expect(check(found, 'leaving')).to.equal('skip: not known: gone')
      expect(found.stream).to.include({ streams: true, short: true })
    })

    aside('where the store takes nothing more', async (site) => {
      const { url } = await site.app()
      const publish = () => Promise.reject(new Error('full'))
      const told: string[] = []
      const stream = await checkStream({
        client: { headers: {}, site: new URL(url), insecure: false, until: performance.now() + 30_000 },
        target: parseTarget(`${url}/orders.sse`),
        tell: (_group, name, { status, seen }) => told.push(`${name} ${status}: ${seen}`),
        places: null,
        epoch: null,
        publish: { key: 'orders', send: publish },
        count: null,
        idle: null,
        onIdle: () => {},
      })
      expect(told).to.include('delay fail: not known: full')
      expect(stream).to.include({ streams: true, delay: null, short: true })
    })

    alone('where a stream is as busy as any', async (site) => {
      const { url } = await site.use(
        serveHttp((incoming, outgoing) => {
          outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
          outgoing.write('event: ready\nid: abcd-1\ndata: {"heartbeat":60000}\n\n')
          if (incoming.url?.includes('mode=short')) return outgoing.end()
          const timer = setTimeout(
            () => outgoing.write(`:\ndata:1\nat:${Date.now()}\n\n`.repeat(200_000)),
            1300,
          )
          outgoing.on('close', () => clearTimeout(timer))
        }),
      )
      const found = await site.look(url, { idle: 5000 })
      expect(check(found, 'idle')).to.match(
        /^pass: open for 5.0 s, 200000 heartbeats, at most \S+ m?s apart$/,
      )
      expect(check(found, 'buffering')).to.match(/^pass: none: what followed the beginning came in time/)
    })
  })

  it('advises what docs/servers.md says', () => {
    const text = readFileSync(new URL('../docs/servers.md', import.meta.url), 'utf8')
    const way = { accelBuffering: 'arrived', isOurs: true, told: {} } as const
    const blocks = (['Varnish', 'lighttpd', 'Caddy'] as const).flatMap((layer) =>
      [null, true].map((plainStreams) => {
        const culprit = findCulprit({ way: { ...way, layers: [layer] }, encoding: null, plainStreams })
        return culprit.remedy
      }),
    )
    for (const block of blocks) expect(block).to.match(/docs\/servers\.md/)
    const named = blocks.flatMap((block) => /copy the block for (\w+)/.exec(block)?.[1] ?? [])
    expect(named).to.deep.equal(['Varnish', 'Varnish', 'lighttpd', 'lighttpd', 'Caddy'])
    for (const name of named) expect(text).to.include(`\n## ${name}\n`)
    expect(text).to.include(/server\.stream-response-body = \d/.exec(blocks.join())?.[0])
  })

  describe('always ends', () => {
    const LONGEST = 20_000
    const cases: [what: string, onSocket: (socket: Socket) => void, name: string, seen: RegExp][] = [
      ['where nothing is ever answered', () => {}, 'answer', /^fail: no answer: no byte within/],
      [
        'where headers drip for ever',
        drip('HTTP/1.1 200 OK\r\n', 'X'),
        'answer',
        /^fail: no answer: no complete headers within/,
      ],
      [
        'where early hints come for ever',
        (socket) => {
          const timer = every(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 50)
          socket.on('close', () => clearInterval(timer))
        },
        'answer',
        /^fail: no answer: no complete headers within/,
      ],
      [
        'where a stream drips for ever',
        drip(answer('200 OK', { 'Content-Type': 'text/event-stream' }), '.'),
        'answer',
        /^fail: bytes that are no event stream: they begin with "\.{16}"/,
      ],
      [
        'where a stream floods',
        flood(answer('200 OK', { 'Content-Type': 'text/event-stream' }), `data: ${'x'.repeat(60_000)}\n\n`),
        'answer',
        /^fail: a stream that cannot be read: more than \d+ bytes came/,
      ],
      [
        'where chunks make no sense',
        always(
          answer('200 OK', { 'Content-Type': 'text/event-stream', 'Transfer-Encoding': 'chunked' }, 'zz\r\n'),
        ),
        'answer',
        /^fail: a stream that cannot be read: its chunks cannot be read/,
      ],
      [
        'where a compression is none',
        always(
          answer(
            '200 OK',
            { 'Content-Type': 'text/event-stream', 'Content-Encoding': 'br' },
            'no brotli at all',
          ),
        ),
        'answer',
        /^fail: a stream that cannot be read: its Content-Encoding cannot be decoded/,
      ],
      [
        'where a stream is reset at once',
        (socket) => {
          socket.on('data', () => {
            socket.write(answer('200 OK', { 'Content-Type': 'text/event-stream' }, ': hello\n\n'), () =>
              setTimeout(() => socket.resetAndDestroy(), 50),
            )
          })
        },
        'answer',
        /^fail: a stream that (cannot be read: ECONNRESET|was reset)/,
      ],
    ]
    for (const [what, onSocket, name, seen] of cases) {
      const begin = what.endsWith('floods') ? alone : aside
      begin(what, async (site) => {
        const { url } = await site.use(serveRaw(onSocket))
        const began = performance.now()
        const found = await site.look(url)
        expect(performance.now() - began).to.be.below(LONGEST)
        expect(check(found, name)).to.match(seen)
        expect(found.ok).to.equal(false)
        // Some requests, each of them left after 16 MiB.
        expect(poured).to.be.below(200 * 1024 * 1024)
      })
    }
  })

  aside('finds a store and a signal file that the web server hands out', async (site) => {
    site.events = createFileSignal({ root: site.root, heartbeat: 300 })
    const stream = site.events.handler('orders')
    const asked: (string | undefined)[] = []
    const { url } = await site.use(
      serveHttp((incoming, outgoing) => {
        asked.push(incoming.url)
        if (incoming.url?.endsWith('.sse') || incoming.url?.includes('mode'))
          return stream(incoming, outgoing)
        try {
          outgoing.end(readFileSync(incoming.url?.replace(/^\/shop/, site.root) ?? ''))
        } catch {
          outgoing.writeHead(404).end()
        }
      }),
    )
    const found = await site.look(`${url}/shop/orders.sse`, { local: true })
    expect(check(found, 'web access')).to.match(
      /^fail: the web server hands out \S+\/data\/sse_payloads.sqlite and \S+\/sse_signals\/events.signal$/,
    )
    // No folder above the project is named.
    expect(asked.filter((path) => !path?.includes('orders.sse'))).to.have.members([
      '/data/sse_payloads.sqlite',
      '/shop/data/sse_payloads.sqlite',
      '/tmp/sse_signals/events.signal',
      '/shop/tmp/sse_signals/events.signal',
    ])
    expect(remedy(found, 'web access')).to.include('deny both folders')
  })

  aside(
    'finds them also where there is no stream, by the names that every project has alone',
    async (site) => {
      const { readFileSync } = await import('node:fs')
      const asked: string[] = []
      const { url } = await site.use(
        serveHttp((incoming, outgoing) => {
          asked.push(incoming.url ?? '')
          try {
            outgoing.end(readFileSync(`${site.root}${incoming.url}`))
          } catch {
            outgoing.writeHead(503).end()
          }
        }),
      )
      const found = await site.look(`${url}/orders.sse`, { local: true })
      expect(check(found, 'answer')).to.match(/^fail: status 503/)
      expect(check(found, 'web access')).to.match(
        /^fail: the web server hands out \S+\/data\/sse_payloads.sqlite and \S+\/sse_signals\/events.signal$/,
      )
      asked.length = 0
      const own = await site.look(`${url}/orders.sse`, { local: true, database: 'of-a-client/orders.sqlite' })
      expect(check(own, 'web access')).to.match(/^skip: not asked/)
      expect(asked).to.deep.equal(['/orders.sse'])
    },
  )

  alone(
    'keeps passwords and tokens out of what it says of addresses and headers that it refuses',
    async (site) => {
      for (const args of [
        ['http://user:hunter2@127.0.0.1:99999/x'],
        ['http://user:hun/ter2@127.0.0.1/'],
        ['ftp://user:hunter2@example.org/'],
        ['user:hunter2@example.org/orders.sse'],
        ['//user:hunter2@example.org/?token=hunter2'],
        ['/orders.sse?token=hunter2#hunter2'],
        ['http://user:hunter2@example.org/'],
        ['--publish', 'http://user:hunter2@127.0.0.1:99999/x'],
        ['http://localhost/', '--header', 'Cookie hunter2'],
        ['http://localhost/', '--header', 'Cookie: hunter2\u0001'],
      ]) {
        const runs = [[], ['--json']].map((flags) => runCli(site.root, ['doctor', ...args, ...flags]))
        for (const { code, stdout, stderr } of await Promise.all(runs)) {
          expect(code, args.join(' ')).to.equal(2)
          expect(stdout + stderr)
            .to.include('OPTION_INVALID')
            .and.not.include('ter2')
        }
      }
    },
  )

  aside('refuses what is no address, and headers that are none', async () => {
    for (const url of ['orders.sse', 'ftp://example.org/', 'http://me:secret@example.org/', 'https://']) {
      expect((await failure(doctor({ url }))).code).to.equal('OPTION_INVALID')
    }
    const headers = { Cookie: 'a\r\nHost: b' }
    expect((await failure(doctor({ url: 'http://localhost/', headers }))).code).to.equal('OPTION_INVALID')
    expect((await failure(doctor({ publish: true }))).remedy).to.include('give the address')
    expect((await failure(doctor({ url: 'http://localhost/', publish: 'a\nb' }))).code).to.equal(
      'KEY_INVALID',
    )
  })
})

function find({ checks }: Diagnosis, name: string): Check {
  const found = checks.find((check) => check.name === name)
  if (!found) throw new Error(`no check "${name}" among: ${checks.map((check) => check.name).join(', ')}`)
  return found
}

function check(diagnosis: Diagnosis, name: string): string {
  const { status, seen } = find(diagnosis, name)
  return `${status}: ${seen}`
}

function remedy(diagnosis: Diagnosis, name: string): string {
  return find(diagnosis, name).remedy ?? ''
}

function failed({ checks }: Diagnosis): string[] {
  return checks.filter(({ status }) => status === 'fail').map(({ name, seen }) => `${name}: ${seen}`)
}

/** Answers each request with the same text, and leaves the connection open. */
function always(text: string): (socket: Socket) => void {
  return (socket) => socket.on('data', () => socket.write(text))
}

/** One byte each 50 ms, as long as somebody listens. */
function drip(begin: string, byte: string): (socket: Socket) => void {
  return (socket) => {
    socket.write(begin)
    const timer = every(() => socket.write(byte), 50)
    socket.on('close', () => clearInterval(timer))
  }
}

/** Bytes that floods have handed over so far. */
let poured = 0

/** As much as the socket takes. */
function flood(begin: string, text: string): (socket: Socket) => void {
  return (socket) => {
    const more = (): void => {
      do poured += text.length
      while (!socket.destroyed && socket.write(text))
    }
    socket.on('drain', more)
    socket.write(begin)
    more()
  }
}
