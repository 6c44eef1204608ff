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

const PAGE = '<!doctype html><html><head><title>Just a moment...</title></head><body>'

describe('doctor with an address', () => {
  let servers: Hostile[]
  let root: string
  let events: FileSignal

  async function use(server: Promise<Hostile>): Promise<Hostile> {
    servers.push(await server)
    return server
  }

  /** The app: one stream of the key `orders`, at any path. */
  async function app(heartbeat = 300): Promise<Hostile> {
    events = createFileSignal({ root, heartbeat })
    const handler = events.handler('orders')
    return use(serveHttp(handler))
  }

  /** The address alone, unless the store is needed. */
  async function look(url: string, options: DoctorOptions = {}): Promise<Diagnosis> {
    return doctor({ root, url, local: false, ...options })
  }

  beforeEach(() => {
    servers = []
    root = freshFolder()
    events = createFileSignal({ root })
  })
  afterEach(async () => {
    await events.close()
    for (const server of servers) await server.stop()
  })

  describe('says of a stream that works', () => {
    it('that events come one by one, how late, and when the app notices that a client left', async () => {
      const { url } = await app()
      const found = await look(`${url}/orders.sse`, { local: true, publish: 'orders', events })
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
    })

    it('how soon short responses come, also where they begin with a replay', async () => {
      events = createFileSignal({ root, heartbeat: 300 })
      for (let i = 0; i < 5; i += 1) await events.signal('orders', 'old')
      const { url } = await use(serveHttp(events.handler('orders', { replay: 3 })))
      const found = await look(`${url}/orders.sse`, { publish: 'orders' })
      expect(check(found, 'short responses')).to.match(/^pass: .*; an event came \d/)
      expect(found.stream?.shortDelay).to.be.below(200)
    })

    it('how soon short responses come on a key that is never quiet, without a claim about its own events', async () => {
      const { url } = await app()
      await events.signal('orders', 'old')
      const busy = every(() => void events.signal('orders', 'news'), 10)
      try {
        const found = await look(`${url}/orders.sse`, { publish: 'orders' })
        expect(failed(found)).to.deep.equal([])
        expect(check(found, 'delay')).to.match(/^pass: 5 of 5 events/)
      } finally {
        clearInterval(busy)
      }
    })

    it('that nothing could be published, where the store is not there', async () => {
      const { url } = await app()
      const found = await look(`${url}/orders.sse`, { root: freshFolder(), publish: 'orders' })
      expect(check(found, 'delay')).to.match(/^fail: not measured: the store cannot be used here/)
    })

    it('how many events it has added to the key, where they count in its replay', async () => {
      const { url } = await app()
      const before = (await events.stats()).store.head
      const found = await look(`${url}/orders.sse`, { publish: 'orders', events })
      const added = Number((await events.stats()).store.head) - Number(before)
      expect(added).to.equal(6)
      expect(check(found, 'published')).to.equal(
        'warn: 6 events named "doctor" were added to the key "orders": they stay there, and count where a stream replays its last events',
      )
      expect(check(await look(`${url}/orders.sse`, { publish: true, events }), 'published')).to.match(
        /^pass: /,
      )
    })

    it('the same without publishing, by the first heartbeat', async () => {
      const { url } = await app()
      const found = await look(`${url}/orders.sse`)
      expect(found.stream).to.include({ streams: true, buffered: false, delay: null })
      expect(check(found, 'buffering')).to.match(/^pass: none: what followed the beginning came in time/)
    })

    it('how long it stays open, and its heartbeats', async () => {
      const { url } = await app()
      const seen: number[] = []
      const onIdle = ({ elapsed }: { elapsed: number }) => seen.push(elapsed)
      const found = await look(`${url}/orders.sse`, { idle: '2s', onIdle })
      expect(check(found, 'idle')).to.match(/^pass: open for 2.0 s, \d heartbeats, at most \d+ ms apart/)
      expect(seen.at(-1)).to.equal(2000)
    })

    it('that it reads another store than the one that is used here', async () => {
      events = createFileSignal({ root, heartbeat: 300 })
      const handler = events.handler('orders')
      const asked = new Set<string | undefined>()
      const { url } = await use(
        serveHttp((incoming, outgoing) => {
          asked.add(incoming.url)
          void handler(incoming, outgoing)
        }),
      )
      const other = freshFolder()
      const found = await look(`${url}/orders.sse`, { root: other, local: true, publish: 'orders' })
      // Where the files of this account lie is nothing that a foreign server has to know.
      expect(check(found, 'web access')).to.match(/^skip: not asked: the address is not known to read the/)
      expect([...asked].sort()).to.deep.equal(['/orders.sse', '/orders.sse?mode=short'])
      expect(check(found, 'same store')).to.match(/^warn: the stream reads another store/)
      expect(check(found, 'delay')).to.match(
        /^fail: none of \d events arrived: the address reads another store/,
      )
      expect(found.stream?.streams).to.equal(true)
    })

    it('that it did not come with a second key, and which key to name', async () => {
      const { url } = await app()
      const found = await look(`${url}/orders.sse`, { local: true, publish: true })
      expect(check(found, 'delay')).to.match(
        /^fail: none of 6 events of the key "file-signal:doctor" arrived/,
      )
      expect(remedy(found, 'delay')).to.include('--publish KEY')
      expect(found.ok).to.equal(false)
    })
  })

  describe('finds a layer that holds back', () => {
    it('everything, and says which one by its headers', async () => {
      const { port } = await app()
      const proxy = await use(serveBuffering(port, 'all'))
      const found = await look(`${proxy.url}/orders.sse`, { local: true, publish: 'orders' })
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

    it('what follows the beginning, without publishing', async () => {
      const { port } = await app()
      const proxy = await use(serveBuffering(port, 'what follows'))
      const found = await look(`${proxy.url}/orders.sse`)
      expect(found.stream).to.include({ streams: false, buffered: true, by: 'nginx' })
      expect(check(found, 'buffering')).to.match(
        /^fail: the beginning came, and no heartbeat when it was due/,
      )
    })

    it('what follows the beginning, as events show that come by short responses alone', async () => {
      const { port } = await app(15_000)
      const proxy = await use(serveBuffering(port, 'what follows'))
      const found = await look(`${proxy.url}/orders.sse`, { local: true, publish: 'orders' })
      expect(found.stream).to.include({ streams: false, buffered: true })
      expect(check(found, 'buffering')).to.match(
        /^fail: events come by short responses, and not by the open stream/,
      )
      expect(check(found, 'delay')).to.match(/^fail: none of 5 events arrived/)
    })

    it('or says that it is not known, where no heartbeat is due in time and nothing may be published', async () => {
      const { url } = await app(60_000)
      const found = await look(`${url}/orders.sse`)
      expect(found.stream).to.include({ streams: null, buffered: null })
      expect(check(found, 'buffering')).to.match(/^skip: not known/)
      expect(remedy(found, 'buffering')).to.include('--publish')
    })

    it('what comes until there is enough of it, also on a stream that is never silent', async () => {
      const { port } = await app(1000)
      const proxy = await use(
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
      const busy = every(() => void events.signal('orders', 'news'), 100)
      try {
        const found = await look(`${proxy.url}/orders.sse`, { idle: '4s' })
        expect(found.stream).to.include({ streams: false, buffered: true })
        expect(check(found, 'buffering')).to.match(/^fail: events come in lumps/)
      } finally {
        clearInterval(busy)
      }
    })

    it('and a layer that cuts idle streams, and whose default that is', async () => {
      const { port } = await app(15_000)
      const cutter = await use(
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
      const found = await look(`${cutter.url}/orders.sse`, { idle: 3000 })
      expect(check(found, 'idle')).to.match(
        /^fail: cut off after 1\.\d s, 1\.\d s after its last byte; 0 heartbeats/,
      )
      expect(remedy(found, 'idle')).to.match(/^look whether the app stopped; else raise .* heartbeat/)
    })

    it('and one that compresses', async () => {
      const { createGzip, constants } = await import('node:zlib')
      const zipped = await use(
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
      const flushed = await look(`${zipped.url}/orders.sse`)
      expect(flushed.stream).to.include({ streams: true, compressed: 'gzip' })
      expect(check(flushed, 'compression')).to.match(/^warn: gzip/)
      const held = await look(`${zipped.url}/held.sse`)
      expect(held.stream).to.include({ streams: false, compressed: 'gzip', by: 'Apache' })
      expect(check(held, 'buffering')).to.match(/compression \(gzip\) by Apache holds it back/)
      expect(check(held, 'compression')).to.match(/^fail: gzip, and the stream comes through only without it/)
    })
  })

  describe('tells a stream that ends from one that is held back', () => {
    const CHUNKED = { 'Content-Type': 'text/event-stream', 'Transfer-Encoding': 'chunked' }
    const READY = 'event: ready\nid: abcd-1\ndata: {"heartbeat":15000}\n\n'
    const BEGUN = answer('200 OK', CHUNKED, `${READY.length.toString(16)}\r\n${READY}\r\n`)

    it('where its key has ended, which it does not open again', async () => {
      const { url } = await app(15_000)
      await events.signal('orders', 'last')
      await events.end('orders')
      const found = await look(`${url}/orders.sse`)
      expect(check(found, 'ending')).to.match(/^warn: the key has ended: the stream sent \[DONE\] and closed/)
      expect(check(found, 'buffering')).to.match(/^skip: not known: the stream ended before anything was due/)
      expect(found.stream?.buffered).to.equal(null)
      const before = (await events.stats()).store.head
      const published = await look(`${url}/orders.sse`, { publish: 'orders' })
      expect(check(published, 'delay')).to.match(/^fail: not measured: the key has ended/)
      expect((await events.stats()).store.head).to.equal(before)
    })

    it('where its duration is shorter than its heartbeat', async () => {
      events = createFileSignal({ root, heartbeat: '15s' })
      const { url } = await use(serveHttp(events.handler('orders', { duration: '2s' })))
      const found = await look(`${url}/orders.sse`)
      expect(failed(found)).to.deep.equal([])
      expect(check(found, 'ending')).to.match(/^warn: ended in good order after \d\.\d s/)
      expect(found.stream?.buffered).to.equal(null)
      const watched = await look(`${url}/orders.sse`, { idle: '4s' })
      expect(check(watched, 'idle')).to.match(/^warn: ended in good order after \d\.\d s/)
      expect(watched.stream?.buffered).to.equal(null)
      const published = await look(`${url}/orders.sse`, { publish: 'orders' })
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
      it(`where it ${what} before a heartbeat is due`, async () => {
        const { url } = await use(
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
        const found = await look(`${url}/orders.sse`)
        expect(check(found, 'ending')).to.match(seen)
        expect(check(found, 'buffering')).to.match(
          /^skip: not known: the stream ended before anything was due/,
        )
        expect(found.ok).to.equal(false)
      })
    }
  })

  describe('says in one line of', () => {
    it('a host that does not resolve', async () => {
      const found = await look('http://nothing.invalid/orders.sse')
      expect(check(found, 'name')).to.match(/^fail: the name "nothing.invalid" does not resolve \(E\w+\)$/)
      expect(found.stream).to.equal(null)
    })

    it('a port that nobody listens on', async () => {
      const found = await look(`http://127.0.0.1:${await freePort()}/orders.sse`)
      expect(check(found, 'connection')).to.match(
        /^fail: port \d+ does not answer: 127.0.0.1 \(ECONNREFUSED\)$/,
      )
    })

    it('a redirect loop', async () => {
      const { url } = await use(
        serveRaw(always(answer('302 Found', { Location: '/login', 'Content-Length': '0' }))),
      )
      const found = await look(`${url}/orders.sse`)
      expect(check(found, 'redirects')).to.match(
        /^fail: a redirect loop: \S+\/orders.sse → \S+\/login → \S+\/login$/,
      )
    })

    it('too many redirects', async () => {
      let count = 0
      const { url } = await use(
        serveHttp((_incoming, outgoing) => {
          count += 1
          outgoing.writeHead(307, { Location: `/${count}` }).end()
        }),
      )
      expect(check(await look(url), 'redirects')).to.match(/^fail: more than 5 redirects, the last to /)
      expect(count).to.equal(6)
    })

    it('a redirect that it can follow, and sends no cookie to another site', async () => {
      const cookies: unknown[] = []
      events = createFileSignal({ root, heartbeat: 300 })
      const stream = events.handler('orders')
      const { port } = await use(
        serveHttp((incoming, outgoing) => {
          cookies.push(incoming.headers.cookie)
          void stream(incoming, outgoing)
        }),
      )
      const { url } = await use(
        serveRaw(
          always(
            answer('301 Moved', { Location: `http://localhost:${port}/new.sse`, 'Content-Length': '0' }),
          ),
        ),
      )
      const found = await look(`${url}/orders.sse`, { local: true, headers: { Cookie: 'session=1' } })
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

    it('a login at the end of a redirect that the headers given were not sent to', async () => {
      const login = await use(serveRaw(always(answer('401 Unauthorized', { 'Content-Length': '0' }))))
      const Location = `http://localhost:${login.port}/orders.sse`
      const { url } = await use(serveRaw(always(answer('302 Found', { Location, 'Content-Length': '0' }))))
      const headers = { Cookie: 'session=1' }
      const found = await look(`${url}/orders.sse`, { headers })
      expect(check(found, 'answer')).to.match(/; the headers given were not sent to localhost:\d+$/)
      expect(remedy(found, 'answer')).to.equal(`look at ${Location} itself, if that site may have them`)
      expect(remedy(await look(`${login.url}/orders.sse`, { headers }), 'answer')).to.include('--header')
    })

    it('answers with control characters, and hands none of them to the terminal', async () => {
      const bad = '\x1b]0;owned\x07\x9b31m'
      const length = { 'Content-Length': '0' }
      const stream = { 'Content-Type': `text/event-stream;${bad}`, 'Content-Encoding': bad }
      for (const [text, name, seen] of [
        [answer('302 Found', { Location: `http://[${bad}`, ...length }), 'redirects', /\\u001b\]0;owned/],
        [answer('200 OK', { 'Content-Type': bad, ...length }), 'answer', /no event stream/],
        [answer('200 OK', stream, ': begun\n\n'), 'compression', /\\u001b\]0;owned/],
      ] as const) {
        const { url } = await use(serveRaw(always(text)))
        expect(check(await look(url), name)).to.match(seen)
        const { stdout } = await runCli(root, ['doctor', url, '--no-local'])
        expect(stdout)
          .to.include(name)
          .and.not.match(/[^\P{Cc}\n]/u)
      }
    }).slow(30_000)

    it('an HTML page, also one that never ends', async () => {
      const type = { 'Content-Type': 'text/html' }
      for (const text of [
        answer('200 OK', { ...type, 'Content-Length': String(PAGE.length) }, PAGE),
        answer('200 OK', type, PAGE),
      ]) {
        const { url } = await use(serveRaw(always(text)))
        const found = await look(url)
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
      it(`status ${status}`, async () => {
        const { url } = await use(serveRaw(always(answer(status, { 'Content-Length': '0' }))))
        const found = await look(url)
        expect(check(found, 'answer')).to.match(what)
        expect(remedy(found, 'answer')).to.match(how)
      })
    }

    it('a web server that answers while the app is down, as nginx/proxy.conf makes it', async () => {
      const body = ': the app is restarting\nretry: 3000\n\n'
      const headers = { 'Content-Type': 'text/event-stream', 'Content-Length': String(body.length) }
      const { url } = await use(serveRaw(always(answer('200 OK', headers, body))))
      expect(check(await look(url), 'answer')).to.match(/^fail: a stream that ended at once, without "ready"/)
    })

    it('something that does not speak HTTP', async () => {
      const { url } = await use(serveRaw((socket) => void socket.write('SSH-2.0-OpenSSH_9.2\r\n')))
      const found = await look(url)
      expect(check(found, 'answer')).to.match(
        /^fail: no answer: the answer is no HTTP: it begins with "SSH-2.0-Open/,
      )
    })

    it('a server that closes without an answer', async () => {
      const { url } = await use(serveRaw((socket) => socket.end()))
      expect(check(await look(url), 'answer')).to.match(/^fail: no answer: the connection was closed/)
    })

    it('plain HTTP where https: was asked for', async () => {
      const { port } = await app()
      const found = await look(`https://127.0.0.1:${port}/orders.sse`)
      expect(check(found, 'certificate')).to.match(/^fail: port \d+ does not speak TLS$/)
    })
  })

  describe('says of a certificate', () => {
    before(function () {
      needProgram(this, 'openssl', 'openssl')
    })

    /** By the command line, for what a process trusts is decided at its start. */
    async function trusting(file: string | null, url: string, ...flags: string[]): Promise<Diagnosis> {
      const env: Record<string, string> = file === null ? {} : { NODE_EXTRA_CA_CERTS: file }
      const { stdout } = await runCli(root, ['doctor', url, '--no-local', '--json', ...flags], '', { env })
      return JSON.parse(stdout)
    }

    it('that it is self-signed, and goes on with --insecure', async () => {
      const certificate = makeCertificate('127.0.0.1')
      const { url } = await use(
        serveTls(certificate, always(answer('404 Not Found', { 'Content-Length': '0' }))),
      )
      const found = await trusting(null, url)
      expect(check(found, 'certificate')).to.equal(
        'fail: the certificate is self-signed (DEPTH_ZERO_SELF_SIGNED_CERT)',
      )
      expect(remedy(found, 'certificate')).to.include('authority')
      expect(check(await trusting(null, url, '--insecure'), 'answer')).to.match(/^fail: status 404/)
    })

    it('that it has expired', async () => {
      const certificate = makeCertificate('127.0.0.1', true)
      const { url } = await use(serveTls(certificate, () => {}))
      const found = await trusting(certificate.file, url)
      expect(check(found, 'certificate')).to.equal('fail: the certificate has expired (CERT_HAS_EXPIRED)')
    })

    it('nothing, where the server speaks HTTP/2 alone', async () => {
      const certificate = makeCertificate('127.0.0.1')
      const { url } = await use(serveTls({ ...certificate, ALPNProtocols: ['h2'] }, () => {}))
      const found = await trusting(certificate.file, url)
      expect(check(found, 'http version')).to.match(
        /^fail: port \d+ refuses HTTP\/1.1, so it most likely speaks HTTP\/2/,
      )
      expect(found.checks.map(({ name }) => name)).not.to.include('certificate')
    })

    it('that it is for another name', async () => {
      const certificate = makeCertificate('example.org')
      const { url } = await use(serveTls(certificate, () => {}))
      const found = await trusting(certificate.file, url)
      expect(check(found, 'certificate')).to.match(
        /^fail: the certificate is for another name than "127.0.0.1"/,
      )
    })
  })

  it('keeps the headers where a redirect goes over to TLS on the same host', async function () {
    needProgram(this, 'openssl', 'openssl')
    events = createFileSignal({ root, heartbeat: 300 })
    const handler = events.handler('orders', { authorize: ({ headers }) => headers.cookie === 'session=1' })
    const refuse = (stream: ServerHttp2Stream) => stream.close()
    const { port } = await use(serveHttp2(makeCertificate('127.0.0.1'), refuse, handler))
    const Location = `https://127.0.0.1:${port}/orders.sse`
    const { url } = await use(serveRaw(always(answer('301 Moved', { Location, 'Content-Length': '0' }))))
    const found = await look(`${url}/orders.sse`, { headers: { Cookie: 'session=1' }, insecure: true })
    expect(check(found, 'answer')).to.match(/^pass: 200 text\/event-stream/)
    expect(check(found, 'redirects')).to.not.include('not sent')
  })

  describe('keeps all other checks', () => {
    it('where a server ends its HTTP/2 connection in the middle', async function () {
      needProgram(this, 'openssl', 'openssl')
      events = createFileSignal({ root, heartbeat: 300 })
      const { url } = await use(
        serveHttp2(
          makeCertificate('127.0.0.1'),
          (stream) => {
            stream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
            stream.session?.goaway()
            stream.write('event: ready\nid: abcd-1\ndata: {}\n\n')
          },
          events.handler('orders'),
        ),
      )
      const found = await look(`${url}/orders.sse`, { insecure: true })
      expect(check(found, 'http version')).to.match(/^pass: HTTP\/2, its first byte/)
      expect(check(found, 'six connections')).to.match(
        /^warn: 1 of 7 streams on one connection, then the server ended it/,
      )
      expect(check(found, 'buffering')).to.match(/^pass: none/)
    })

    it('where the app’s own side cannot be asked any more', async () => {
      const { url } = await app()
      let asked = 0
      const stats = () => {
        asked += 1
        return asked > 1 ? Promise.reject(new Error('gone')) : events.stats()
      }
      const found = await look(`${url}/orders.sse`, { events: { stats } })
      expect(check(found, 'leaving')).to.equal('skip: not known: gone')
      expect(found.stream).to.include({ streams: true, short: true })
    })

    it('where the store takes nothing more', async () => {
      const { url } = await app()
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

    it('where a stream is as busy as any', async () => {
      const { url } = await use(
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
      const found = await look(url, { idle: 5000 })
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
      it(what, async () => {
        const { url } = await use(serveRaw(onSocket))
        const began = performance.now()
        const found = await look(url)
        expect(performance.now() - began).to.be.below(LONGEST)
        expect(check(found, name)).to.match(seen)
        expect(found.ok).to.equal(false)
        // Some requests, each of them left after 16 MiB.
        expect(poured).to.be.below(200 * 1024 * 1024)
      }).slow(LONGEST)
    }
  })

  it('finds a store and a signal file that the web server hands out', async () => {
    events = createFileSignal({ root, heartbeat: 300 })
    const stream = events.handler('orders')
    const asked: (string | undefined)[] = []
    const { url } = await use(
      serveHttp((incoming, outgoing) => {
        asked.push(incoming.url)
        if (incoming.url?.endsWith('.sse') || incoming.url?.includes('mode'))
          return stream(incoming, outgoing)
        try {
          outgoing.end(readFileSync(incoming.url?.replace(/^\/shop/, root) ?? ''))
        } catch {
          outgoing.writeHead(404).end()
        }
      }),
    )
    const found = await look(`${url}/shop/orders.sse`, { local: true })
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

  it('finds them also where there is no stream, by the names that every project has alone', async () => {
    const { readFileSync } = await import('node:fs')
    const asked: string[] = []
    const { url } = await use(
      serveHttp((incoming, outgoing) => {
        asked.push(incoming.url ?? '')
        try {
          outgoing.end(readFileSync(`${root}${incoming.url}`))
        } catch {
          outgoing.writeHead(503).end()
        }
      }),
    )
    const found = await look(`${url}/orders.sse`, { local: true })
    expect(check(found, 'answer')).to.match(/^fail: status 503/)
    expect(check(found, 'web access')).to.match(
      /^fail: the web server hands out \S+\/data\/sse_payloads.sqlite and \S+\/sse_signals\/events.signal$/,
    )
    asked.length = 0
    const own = await look(`${url}/orders.sse`, { local: true, database: 'of-a-client/orders.sqlite' })
    expect(check(own, 'web access')).to.match(/^skip: not asked/)
    expect(asked).to.deep.equal(['/orders.sse'])
  })

  it('keeps passwords and tokens out of what it says of addresses and headers that it refuses', async () => {
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
      for (const flags of [[], ['--json']]) {
        const { code, stdout, stderr } = await runCli(root, ['doctor', ...args, ...flags])
        expect(code, args.join(' ')).to.equal(2)
        expect(stdout + stderr)
          .to.include('OPTION_INVALID')
          .and.not.include('ter2')
      }
    }
  })

  it('refuses what is no address, and headers that are none', async () => {
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
