import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import cors from '@koa/cors'
import Router from '@koa/router'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import Koa from 'koa'
import compress from 'koa-compress'
import conditional from 'koa-conditional-get'
import etag from 'koa-etag'
import { FileSignalError } from '../dist/errors.js'
import { createKoaRoutes, createKoaStream, type KoaContext } from '../dist/http/koa.js'
import type { StreamOptions } from '../dist/options.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('Koa', () => {
  let rig: Rig
  let clients: Client[]
  let failures: unknown[]

  /** An app with everything above the stream that is known to hold one back. */
  function dress(app: Koa): Koa {
    app.on('error', (error) => failures.push(error))
    app.use(cors({ origin: 'https://example.org', credentials: true }))
    app.use(compress({ threshold: 0 }))
    app.use(conditional())
    app.use(etag())
    return app
  }

  function dressed(...middleware: Koa.Middleware[]): http.RequestListener {
    const app = dress(new Koa())
    for (const one of middleware) app.use(one)
    return app.callback()
  }

  const streamOf = (keys: string | string[], options?: StreamOptions<KoaContext>) =>
    createKoaStream(rig, keys, options)

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const ask = (url: string, method: string, headers: Record<string, string> = {}) =>
    fetch(url, { method, headers: { Connection: 'close', ...headers } })

  beforeEach(() => {
    clients = []
    failures = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
    expect(failures).to.deep.equal([])
  })

  it('streams through koa-compress, koa-etag, koa-conditional-get and @koa/cors, first byte at once', async () => {
    const url = await rig.serve(dressed(streamOf('a')))
    const headers = {
      'Accept-Encoding': 'gzip, deflate, br',
      Origin: 'https://example.org',
      'If-None-Match': '*',
    }
    const client = await open(url, { headers })
    expect(client.status).to.equal(200)
    expect(client.firstByte).to.be.below(100)
    expect(client.headers).to.include({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
      'access-control-allow-origin': 'https://example.org',
      'access-control-allow-credentials': 'true',
    })
    expect(client.headers.vary).to.include('Origin')
    expect(client.headers).not.to.have.any.keys('content-encoding', 'content-length', 'etag')
    await rig.put('a', { hello: 'ö' })
    await until(() => client.payloads().length === 1, 'the event')
    expect(client.payloads()).to.deep.equal([{ hello: 'ö' }])
  })

  it('answers HEAD with the same headers and no body', async () => {
    const url = await rig.serve(dressed(streamOf('a')))
    const response = await ask(url, 'HEAD', { Origin: 'https://example.org' })
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.equal('text/event-stream; charset=utf-8')
    expect(response.headers.get('access-control-allow-origin')).to.equal('https://example.org')
    expect(await response.text()).to.equal('')
  })

  it('answers 406 where an event stream is not accepted', async () => {
    const url = await rig.serve(dressed(streamOf('a')))
    const response = await ask(url, 'GET', { Accept: 'application/json' })
    expect([response.status, response.headers.get('cache-control')]).to.deep.equal([406, 'no-store'])
    expect(await response.text()).to.include('text/event-stream')
  })

  it('leaves other methods to what comes after it', async () => {
    const url = await rig.serve(
      dressed(streamOf('a'), (ctx) => {
        ctx.body = `${ctx.method} handled`
      }),
    )
    expect(await (await ask(url, 'POST')).text()).to.equal('POST handled')
  })

  it('gives keys and authorize its ctx, and refuses with 403, 400 and the app’s own errors', async () => {
    const router = new Router()
    router.get(
      '/stream/:id',
      (ctx, next) => {
        ctx.state.user = ctx.get('x-user')
        return next()
      },
      createKoaStream(
        rig,
        (ctx) => {
          if (ctx.params.id === 'broken')
            throw Object.assign(new Error('teapot'), { status: 418, expose: true })
          return ctx.params.id === 'null' ? null : `user:${ctx.params.id}`
        },
        { authorize: async (ctx, keys) => keys[0] === `user:${String(ctx.state.user)}` },
      ),
    )
    const url = await rig.serve(dress(new Koa()).use(router.routes()).callback())
    const status = async (id: string) => (await ask(`${url}/stream/${id}`, 'GET', { 'X-User': '42' })).status
    expect(await status('null')).to.equal(403)
    expect(await status('7')).to.equal(403)
    expect(await status('a%0Ab')).to.equal(400)
    expect(await status('broken')).to.equal(418)
    expect(await status('42')).to.equal(200)
    await until(() => rig.streams.stats().streams === 1, 'the one that was admitted')
    const client = await open(`${url}/stream/42`, { headers: { 'X-User': '42' } })
    await rig.put('user:42', 1)
    await until(() => client.payloads().length === 1, 'the event')
    failures.length = 0
  })

  it('returns when the stream is open, so that middleware above it can end its work', async () => {
    const returned: unknown[] = []
    const url = await rig.serve(
      dressed(async (ctx, next) => {
        await next()
        returned.push({ respond: ctx.respond, compress: ctx.compress })
      }, streamOf('a')),
    )
    const client = await open(url)
    await until(() => returned.length === 1, 'the middleware above')
    expect(returned).to.deep.equal([{ respond: false, compress: false }])
    expect(client.ended).to.equal(false)
  })

  it('answers 204 to a client that has seen the end, as Koa answers', async () => {
    const url = await rig.serve(dressed(streamOf('a')))
    const first = await open(url)
    const id = await rig.end('a')
    await until(() => first.ended, 'the end')
    expect(first.isDone()).to.equal(true)
    const over = await connect(url, { headers: { 'Last-Event-ID': id } })
    expect(over.status).to.equal(204)
    await until(() => over.ended, 'its end')
    expect(over.bytes).to.equal(0)
  })

  it('leaves nothing behind for a client that went during an async authorize', async () => {
    let authorizing = 0
    let done = 0
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const authorize = async () => {
      authorizing += 1
      await held
      done += 1
      return done % 2 === 0
    }
    const callback = dressed(streamOf('a', { authorize }))
    let gone = 0
    const url = await rig.serve((req, res) => {
      res.once('close', () => {
        gone += 1
      })
      callback(req, res)
    })
    const requests = Array.from({ length: 20 }, () => http.get(url, { agent: false }).on('error', () => {}))
    await until(() => authorizing === 20, 'all in authorize')
    for (const request of requests) request.destroy()
    await until(() => gone === 20, 'all gone')
    release()
    await until(() => done === 20, 'all decided')
    await until(() => rig.streams.stats().streams === 0, 'no stream')
  })

  it('takes a client that leaves by a reset for no error of the app, and reports the app’s own', async () => {
    let failure: Error | null = null
    const url = new URL(
      await rig.serve(
        dressed(async (_, next) => {
          await next()
          if (failure) throw failure
        }, streamOf('a')),
      ),
    )
    const leave = async () => {
      const socket = net.connect(Number(url.port), url.hostname)
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'data')
      socket.resetAndDestroy()
      await until(() => rig.streams.stats().streams === 0, 'nobody')
    }
    await leave()
    expect(failures).to.deep.equal([])
    failure = new Error('a fault of the app')
    await leave()
    expect(failures.splice(0)).to.deep.equal([failure])
  })

  it('takes a bad Last-Event-ID for one reset', async () => {
    await rig.put('a', 1)
    const { epoch, n } = await rig.payload.head()
    const url = await rig.serve(dressed(streamOf('a')))
    for (const id of ['nonsense', `${epoch}-2`, 'another0-1']) {
      const client = await open(`${url}/?lastEventId=${epoch}-0`, { headers: { 'Last-Event-ID': id } })
      await until(() => client.ofType('reset').length === 1, 'the reset')
      expect(client.messages.map((message) => message.id)).to.deep.equal([undefined, `${epoch}-${n}`])
    }
  })

  it('brings a real EventSource through reconnects without gap or repeat', async () => {
    const url = await rig.serve(dressed(streamOf('a', { duration: 100, retry: [1, 20], event: 'tick' })))
    const source = new EventSource(url)
    const seen: number[] = []
    let opened = 0
    source.addEventListener('tick', (event) => seen.push(JSON.parse(event.data)))
    source.onopen = () => {
      opened += 1
    }
    await until(() => rig.streams.stats().live === 1, 'live')
    for (let i = 0; i < 200; i += 1) {
      await rig.put('a', i)
      await sleep(2)
    }
    await until(() => seen.length >= 200, 'all events')
    source.close()
    expect(seen).to.deep.equal(Array.from({ length: 200 }, (_, i) => i))
    expect(opened).to.be.above(2)
  })

  it('accepts callbacks that are typed with Koa’s own context', async () => {
    const middleware = createKoaStream(rig, (ctx: Koa.Context) => ctx.state.key, {
      authorize: (ctx) => ctx.hostname === '127.0.0.1',
    })
    const app = new Koa()
    app.use((ctx, next) => {
      ctx.state.key = 'typed'
      return next()
    })
    app.use(middleware)
    const client = await open(await rig.serve(app.callback()))
    await rig.put('typed', 1)
    await until(() => client.payloads().length === 1, 'the event')
  })

  describe('routes', () => {
    it('serve the browser client to everybody, anew only where it has changed', async () => {
      const options = { prefix: '/live', authorize: () => false }
      const client = readFileSync(new URL('../dist/client/sse-client.js', import.meta.url), 'utf8')
      const plain = new Koa().use(createKoaRoutes(rig, options).routes()).callback()
      for (const app of [dressed(createKoaRoutes(rig, options).routes()), plain]) {
        const url = `${await rig.serve(app)}/live/sse-client.js`
        const answer = await ask(url, 'GET')
        expect([answer.status, await answer.text()]).to.deep.equal([200, client])
        expect(answer.headers.get('content-type')).to.equal('text/javascript; charset=utf-8')
        expect(answer.headers.get('cache-control')).to.equal('no-cache')
        expect(answer.headers.get('x-content-type-options')).to.equal('nosniff')
        const tag = answer.headers.get('etag') ?? ''
        for (const known of [tag, `W/${tag}`, `"other", ${tag.replace(/"$/, '-gzip"')}`]) {
          const again = await ask(url, 'GET', { 'If-None-Match': known, 'Cache-Control': 'max-age=0' })
          expect([known, again.status, await again.text()]).to.deep.equal([known, 304, ''])
        }
        expect((await ask(url, 'GET', { 'If-None-Match': '"other"' })).status).to.equal(200)
        expect((await ask(url, 'HEAD')).status).to.equal(200)
      }
    })

    async function serveRoutes(): Promise<string> {
      const router = createKoaRoutes(rig, {
        prefix: '/events',
        authorize: (_ctx, keys) => !keys.includes('secret'),
        event: 'tick',
      })
      return rig.serve(dressed(router.routes(), router.allowedMethods()))
    }

    it('stream one key by its path, URL-encoded', async () => {
      const url = await serveRoutes()
      for (const key of ['user:42', 'a.b', 'with/slash', 'ключ & %']) {
        const client = await open(`${url}/events/stream/${encodeURIComponent(key)}.sse`)
        expect(client.status, key).to.equal(200)
        await rig.put(key, key)
        await until(() => client.ofType('tick').length === 1, 'the event')
        expect(client.payloads()).to.deep.equal([key])
      }
    })

    it('stream several keys by a query, in one cursor', async () => {
      const url = await serveRoutes()
      const client = await open(`${url}/events/stream.sse?key=user%3A42&key=b`)
      await rig.put('user:42', 1)
      await rig.put('b', 2)
      await until(() => client.payloads().length === 2, 'the events')
      expect(client.ofType('tick').map(({ key }) => key)).to.deep.equal(['user:42', 'b'])
      expect((await ask(`${url}/events/stream.sse`, 'GET')).status).to.equal(403)
    })

    it('ask authorize at each connect, and answer HEAD, OPTIONS and other methods', async () => {
      const url = `${await serveRoutes()}/events/stream`
      expect((await ask(`${url}/secret.sse`, 'GET')).status).to.equal(403)
      expect((await ask(`${url}.sse?key=a&key=secret`, 'GET')).status).to.equal(403)
      expect((await ask(`${url}/a.sse`, 'HEAD')).status).to.equal(200)
      expect((await ask(`${url}/a%00.sse`, 'GET')).status).to.equal(400)
      const options = await ask(`${url}/a.sse`, 'OPTIONS')
      expect([options.status, options.headers.get('allow')]).to.deep.equal([200, 'HEAD, GET'])
      const post = await ask(`${url}/a.sse`, 'POST')
      expect([post.status, post.headers.get('allow')]).to.deep.equal([405, 'HEAD, GET'])
    })

    it('are not made without authorize, nor with a prefix that is no path', () => {
      const options: unknown[] = [undefined, {}, { authorize: true }]
      for (const given of options) {
        expect(() => createKoaRoutes(rig, given as never))
          .to.throw(FileSignalError)
          .that.includes({ code: 'OPTION_INVALID' })
          .with.property('remedy')
          .that.includes('authorize')
      }
      for (const prefix of ['events', '/events/', 7]) {
        expect(() => createKoaRoutes(rig, { prefix: prefix as string, authorize: () => true }))
          .to.throw(FileSignalError)
          .with.property('code', 'OPTION_INVALID')
      }
    })
  })
})
