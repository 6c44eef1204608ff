import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import express from 'express'
import fastify from 'fastify'
import { FileSignalError } from '../dist/errors.js'
import { createHandler } from '../dist/http/node.js'
import type { NewRow } from '../dist/payload/engine.js'
import { type Connection, createConnection } from '../dist/stream/connection.js'
import { createRig, memoryStore, type Rig } from './support/rig.js'
import { sideBySide } from './support/side-by-side.js'
import { type Client, type ConnectOptions, connect, createReader, stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('handler', () => {
  const aside = sideBySide<Rig>(withRig, 2)
  let rig: Rig
  let clients: Client[]

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const reasons = (client: Client) => client.ofType('reset').map(({ data }) => JSON.parse(data).reason)
  const sinks = () => rig.streams.stats()
  const ask = (url: string, method: string, headers: Record<string, string> = {}) =>
    fetch(url, { method, headers: { Connection: 'close', ...headers } })

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
  })

  describe('answers', () => {
    it('GET with the headers of a stream, and at once with padding, retry and ready', async () => {
      const client = await open(await rig.handle('a'))
      expect(client.status).to.equal(200)
      expect(client.headers).to.include({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        'transfer-encoding': 'chunked',
      })
      expect(client.headers).not.to.have.any.keys('content-length', 'etag', 'content-encoding')
      expect(client.firstByte).to.be.below(100)
      expect(client.comments[0]?.length).to.be.at.least(128)
      expect(client.retries[0]).to.be.within(2000, 5000)
      expect(client.ofType('ready')[0]).to.include({ data: '{"heartbeat":15000}' })
    })

    it('with head, prelude, ready and the first page in one packet', async () => {
      await rig.put('a', 1)
      const url = new URL(await rig.handle('a', { replay: 'all' }))
      const socket = net.connect(Number(url.port), url.hostname)
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      socket.destroy()
      expect(chunk.toString()).to.match(/^HTTP\/1.1 200 [\s\S]*retry: [\s\S]*event: ready[\s\S]*data: 1\n\n/)
    })

    it('with head, prelude and padding at once also where the store takes its time', async () => {
      const store = memoryStore()
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      rig.payload = {
        ...store,
        head: async () => {
          await held
          return store.head()
        },
      }
      const url = await rig.handle('a')
      const client = await connect(url)
      clients.push(client)
      await until(() => client.retries.length === 1, 'the prelude')
      expect(client.firstByte).to.be.below(100)
      expect(client.messages).to.deep.equal([])
      // A client with a cursor may have to get 204, so it waits.
      let answered = false
      const waiting = connect(url, { headers: { 'Last-Event-ID': 'nonsense' } }).then((other) => {
        answered = true
        clients.push(other)
        return other
      })
      await until(() => sinks().streams === 2, 'both streams')
      expect(answered).to.equal(false)
      release()
      await until(() => client.ofType('ready').length === 1, 'ready')
      const other = await waiting
      await until(() => reasons(other).length === 1, 'the reset')
      expect(client.comments.length).to.equal(1)
    })

    it('HEAD with the same headers and no body', async () => {
      const url = await rig.handle('a')
      const response = await ask(url, 'HEAD')
      expect(response.status).to.equal(200)
      expect(response.headers.get('content-type')).to.equal('text/event-stream; charset=utf-8')
      expect(response.headers.get('cache-control')).to.equal('no-store, no-transform')
      expect(await response.text()).to.equal('')
      expect(sinks().streams).to.equal(0)
    })

    it('OPTIONS with 204, other methods with 405, both naming what is allowed', async () => {
      const url = await rig.handle('a')
      const options = await ask(url, 'OPTIONS')
      expect([options.status, options.headers.get('allow')]).to.deep.equal([204, 'GET, HEAD, OPTIONS'])
      for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
        const refused = await ask(url, method)
        expect([refused.status, refused.headers.get('allow')]).to.deep.equal([405, 'GET, HEAD, OPTIONS'])
        await refused.text()
      }
    })

    it('406 where an event stream is not accepted, and a stream where it is', async () => {
      const url = await rig.handle('a')
      for (const accept of [
        'application/json',
        'text/html, image/*',
        'text/event-stream;q=0',
        'text/plain',
      ]) {
        const refused = await ask(url, 'GET', { Accept: accept })
        expect(refused.status, accept).to.equal(406)
        expect(await refused.text()).to.include('text/event-stream')
      }
      for (const accept of [
        'text/event-stream',
        'TEXT/Event-Stream;q=0.5',
        '*/*',
        'text/*',
        'a/b, */*;q=0.1',
      ]) {
        expect((await open(url, { headers: { Accept: accept } })).status, accept).to.equal(200)
      }
    })

    it('403 for no keys and for authorize that says no, whose callbacks get the request', async () => {
      const refusing = await rig.serve(
        createHandler(rig, (req) => (req.url === '/in' ? ['a', 'b', 'a'] : req.url === '/none' ? [] : null), {
          authorize: async (req, keys) => req.headers['x-user'] === 'me' && keys.join() === 'a,b',
        }),
      )
      for (const path of ['/null', '/none', '/in']) {
        const refused = await ask(refusing + path, 'GET')
        expect([refused.status, await refused.text()], path).to.deep.equal([403, 'Forbidden\n'])
      }
      expect((await open(`${refusing}/in`, { headers: { 'X-User': 'me' } })).status).to.equal(200)
    })

    it('400 for keys from the request that are none, with what is wrong with them', async () => {
      const url = await rig.serve(
        createHandler(rig, (req) => {
          const query = new URL(req.url ?? '', 'http://x').searchParams
          return query.has('many') ? Array.from({ length: 1001 }, (_, i) => `k${i}`) : query.getAll('k')
        }),
      )
      const bad = await ask(`${url}/?k=${encodeURIComponent('a\nb')}`, 'GET')
      expect(bad.status).to.equal(400)
      expect(bad.headers.get('content-type')).to.equal('text/plain; charset=utf-8')
      expect(await bad.text()).to.match(/^KEY_INVALID: key "a\\nb" contains a line break.*; use 1 to 200/)
      const many = await ask(`${url}/?many`, 'GET')
      expect([many.status, await many.text()]).to.deep.equal([
        400,
        'OPTION_INVALID: a stream was given 1001 keys; use at most 1000, or one key for what is sent to many.\n',
      ])
    })

    it('500 where keys or authorize throw, and reports it with its cause', async () => {
      const fault = new Error('no database')
      const failing = await rig.handle('a', {
        authorize: () => {
          throw fault
        },
      })
      const response = await ask(failing, 'GET')
      expect([response.status, await response.text()]).to.deep.equal([500, 'Internal server error\n'])
      expect(rig.reports[0]).to.include({ code: 'STREAM_FAILED', cause: fault })
      expect(rig.reports[0]?.message).to.include('answered 500').and.not.include('come back')
      // A coded error out of the user's own function is no fault of the browser.
      const coded = await rig.serve(
        createHandler(rig, () => {
          throw new FileSignalError('KEY_INVALID', 'of another call')
        }),
      )
      expect((await ask(coded, 'GET')).status).to.equal(500)
    })

    it('nothing where somebody else has answered, and reports it', async () => {
      const store = memoryStore()
      for (const ms of [0, 20]) {
        rig.payload = {
          ...store,
          head: async () => {
            await sleep(ms)
            return store.head()
          },
        }
        const handle = createHandler(rig, 'a')
        const url = await rig.serve((req, res) => {
          void handle(req, res)
          res.setHeader('Content-Type', 'text/plain')
          res.end('mine')
        })
        const began = await rig.serve((req, res) => {
          res.write('mine')
          void handle(req, res).then(() => res.end())
        })
        for (const other of [url, began]) {
          const response = await ask(other, 'GET')
          expect([response.status, await response.text()]).to.deep.equal([200, 'mine'])
        }
        await until(() => sinks().streams === 0, 'no stream')
      }
      expect(rig.reports.length).to.be.above(0)
      for (const report of rig.reports) expect(report.code).to.equal('STREAM_FAILED')
    })

    it('nothing at all for wrong keys and options that are known when it is made', () => {
      for (const key of ['', 'a\u0007', 'x'.repeat(201)]) {
        expect(() => createHandler(rig, key))
          .to.throw(FileSignalError)
          .with.property('code', 'KEY_INVALID')
      }
      expect(() => createHandler(rig, []))
        .to.throw(FileSignalError)
        .with.property('code', 'OPTION_INVALID')
      const event = () => createHandler(rig, 'a', { event: 'reset' })
      expect(event).to.throw(FileSignalError).with.property('code', 'EVENT_INVALID')
      const unknown = () => createHandler(rig, 'a', JSON.parse('{"hartbeat": 1}'))
      expect(unknown).to.throw(FileSignalError).with.property('code', 'OPTION_INVALID')
    })

    it('with the headers that were set before it, but for those of another body', async () => {
      const handle = createHandler(rig, 'a')
      const url = await rig.serve((req, res) => {
        res.setHeader('Access-Control-Allow-Origin', 'https://example.org')
        res.setHeader('Set-Cookie', ['a=1', 'b=2'])
        res.setHeader('Content-Encoding', 'gzip')
        res.setHeader('Content-Length', '5')
        res.setHeader('ETag', '"x"')
        void handle(req, res)
      })
      const client = await open(url)
      expect(client.headers).to.include({ 'access-control-allow-origin': 'https://example.org' })
      expect(client.headers['set-cookie']).to.deep.equal(['a=1', 'b=2'])
      expect(client.headers).not.to.have.any.keys('content-encoding', 'content-length', 'etag')
    })
  })

  describe('takes Last-Event-ID', () => {
    it('from the header, else from ?lastEventId; an empty one is none', async () => {
      const first = await rig.put('a', 1)
      const second = await rig.put('a', 2)
      await rig.put('a', 3)
      const url = await rig.handle('a')
      const payloadsAfter = async (query: string, header?: string) => {
        const headers: Record<string, string> = header === undefined ? {} : { 'Last-Event-ID': header }
        const client = await open(`${url}/?x=1&${query}`, { headers })
        await rig.put('a', 'live')
        await until(() => client.payloads().includes('live'), 'the live event')
        client.close()
        expect(reasons(client)).to.deep.equal([])
        return client.payloads().filter((payload) => typeof payload === 'number')
      }
      expect(await payloadsAfter(`lastEventId=${first}`)).to.deep.equal([2, 3])
      expect(await payloadsAfter(`lastEventId=${first}`, second)).to.deep.equal([3])
      expect(await payloadsAfter(`lastEventId=${second}`, '')).to.deep.equal([3])
      expect(await payloadsAfter('lastEventId=')).to.deep.equal([])
    })

    it('and gives it back as the id of ready, so that an outage before the first event loses nothing', async () => {
      const id = await rig.put('a', 1)
      await rig.put('other', 2)
      const url = await rig.handle('a')
      const client = await open(url, { headers: { 'Last-Event-ID': id } })
      expect(client.ofType('ready')[0]?.id).to.equal(id)
      const fresh = await open(url)
      expect(fresh.ofType('ready')[0]?.id).to.match(/-2$/)
    })

    it('in twelve bad kinds: each gets 200 and one reset at the head, and goes on', async () => {
      await rig.put('a', 1)
      await rig.put('a', 2)
      const { epoch, n } = await rig.payload.head()
      const url = await rig.handle('a')
      const bad: [string, string][] = [
        ['nonsense', 'malformed'],
        ['5', 'malformed'],
        ['-', 'malformed'],
        [`${epoch}`, 'malformed'],
        [`${epoch}-`, 'malformed'],
        [`${epoch}-x`, 'malformed'],
        [`${epoch}--1`, 'malformed'],
        [`${epoch}-01`, 'malformed'],
        [`${epoch}-1.5`, 'malformed'],
        [`${epoch}-9007199254740993`, 'malformed'],
        [`${epoch}-1, ${epoch}-2`, 'malformed'],
        [`${epoch.toUpperCase()}X-1`, 'malformed'],
        ['\u00e9\u00fc-1', 'malformed'],
        ['x'.repeat(8000), 'malformed'],
        ['0therepo-1', 'epoch'],
        [`${epoch}-3`, 'ahead'],
        [`${epoch}-9007199254740991`, 'ahead'],
      ]
      const opened: Client[] = []
      for (const [id, reason] of bad) {
        const client = await open(url, { headers: { 'Last-Event-ID': id } })
        await until(() => client.ofType('reset').length > 0, 'the reset')
        expect(client.status).to.equal(200)
        expect(reasons(client), id.slice(0, 50)).to.deep.equal([reason])
        // A client that is cut off before the reset must come back with its own place.
        expect(client.messages.map(({ id: at }) => at)).to.deep.equal([undefined, `${epoch}-${n}`])
        opened.push(client)
      }
      await rig.put('a', 'next')
      await until(() => opened.every((client) => client.payloads().length === 1), 'the next event')
      for (const client of opened) expect(reasons(client).length).to.equal(1)
    })

    it('of one key on another and leaks nothing', async () => {
      const id = await rig.put('secret', 'hidden')
      await rig.put('secret', 'hidden too')
      const url = await rig.handle('open')
      const client = await open(url, { headers: { 'Last-Event-ID': id } })
      await rig.put('open', 'seen')
      await until(() => client.payloads().length === 1, 'the event')
      expect(client.payloads()).to.deep.equal(['seen'])
    })

    it('and answers 204 where every key has ended at or before it', async () => {
      await rig.put('a', 1)
      const before = await rig.end('b')
      const id = await rig.end('a')
      await rig.put('other', 1)
      const url = await rig.handle(['a', 'b'])
      const over = await connect(url, { headers: { 'Last-Event-ID': id } })
      expect(over.status).to.equal(204)
      await until(() => over.ended, 'its end')
      expect(over.bytes).to.equal(0)
      expect(over.headers).not.to.have.any.keys('content-type')
      const behind = await open(url, { headers: { 'Last-Event-ID': before } })
      await until(() => behind.ended, 'the end')
      expect(behind.isDone()).to.equal(true)
      await rig.put('a', 'again')
      const open2 = await open(url, { headers: { 'Last-Event-ID': id } })
      await until(() => open2.payloads().length === 1, 'the event')
      expect(open2.status).to.equal(200)
    })
  })

  describe('keeps a stream', () => {
    it('awake with comment lines, only where nothing else was written', async () => {
      const url = await rig.handle(['a', 'b'], { heartbeat: 100 })
      const client = await open(url)
      expect(client.ofType('ready')[0]?.data).to.equal('{"heartbeat":100}')
      const began = performance.now()
      for (let i = 0; i < 15; i += 1) {
        await rig.put('a', i)
        await sleep(20)
      }
      expect(client.comments.length).to.equal(1)
      await until(() => client.comments.length === 4, 'three heartbeats')
      expect(performance.now() - began).to.be.within(500, 900)
      expect(client.payloads().length).to.equal(15)
    })

    it('for 0.8 to 1.0 of its duration, then ends it', async () => {
      const url = await rig.handle('a', { duration: 400, heartbeat: 40 })
      const began = performance.now()
      const all = await Promise.all(Array.from({ length: 8 }, () => open(url)))
      const lives: number[] = []
      await Promise.all(
        all.map(async (client) => {
          await until(() => client.ended, 'the end')
          lives.push(performance.now() - began)
        }),
      )
      for (const life of lives) expect(life).to.be.within(310, 600)
      expect(Math.min(...lives)).to.be.below(395)
    })

    it('beyond its duration through a reconnect of a real EventSource, without gap or repeat', async () => {
      const url = await rig.handle('a', { duration: 120, retry: [1, 20] })
      const source = new EventSource(url)
      const seen: number[] = []
      let opened = 0
      source.onmessage = (event) => void seen.push(JSON.parse(event.data))
      source.onopen = () => {
        opened += 1
      }
      await until(() => opened === 1, 'the first connection')
      await until(() => sinks().live === 1, 'live')
      for (let i = 0; i < 300; i += 1) {
        await rig.put('a', i)
        await sleep(2)
      }
      await until(() => seen.length >= 300, 'all events')
      source.close()
      expect(seen).to.deep.equal(Array.from({ length: 300 }, (_, i) => i))
      expect(opened).to.be.above(3)
    })

    it('until the key ends: a real EventSource gets [DONE] once, then 204, and stays away', async () => {
      const url = await rig.handle('a', { retry: 10 })
      const source = new EventSource(url)
      const seen: string[] = []
      source.onmessage = (event) => void seen.push(event.data)
      await until(() => sinks().live === 1, 'live')
      await rig.put('a', 1)
      await rig.end('a')
      await until(() => source.readyState === source.CLOSED, 'closed for good')
      expect(seen).to.deep.equal(['1', '[DONE]'])
    })

    it('with the retry of its options, drawn anew for each', async () => {
      const url = await rig.handle('a', { retry: [100, 200] })
      const all = await Promise.all(Array.from({ length: 12 }, () => open(url)))
      const retries = all.map((client) => client.retries[0] ?? 0)
      for (const retry of retries) expect(retry).to.be.within(100, 200)
      expect(new Set(retries).size).to.be.above(3)
    })
  })

  describe('a client that stops reading', () => {
    const big = (i: number): Partial<NewRow> & { key: string } => ({
      key: 'a',
      payload: JSON.stringify({ i, text: 'x'.repeat(50_000) }),
    })

    it('costs a bounded amount, slows nobody, and gets everything in order when it reads again', async () => {
      const url = await rig.handle('a')
      const slow = await open(url)
      const quick = await open(url)
      await until(() => sinks().live === 2, 'live')
      slow.pause()
      let most = 0
      for (let i = 0; i < 600; i += 1) {
        await rig.append(big(i))
        rig.streams.wake('local')
        if (i % 4 === 0) await sleep(1)
        most = Math.max(most, sinks().waiting)
      }
      await until(() => quick.payloads().length === 600, 'all 30 MB at the quick one')
      expect(sinks()).to.include({ live: 1, behind: 1 })
      // What may wait (256 KiB), and one page beyond it (1 MiB and a row).
      expect(most).to.be.below(1.5 * 1024 * 1024)
      slow.resume()
      await until(() => slow.payloads().length === 600, 'all 30 MB at the slow one', 15_000)
      const numbers = slow.messages.filter(({ key, event }) => !key && !event)
      expect(numbers.map(({ data }) => JSON.parse(data).i)).to.deep.equal(
        Array.from({ length: 600 }, (_, i) => i),
      )
      await until(() => sinks().live === 2, 'both live again')
      expect(reasons(slow)).to.deep.equal([])
    })

    it('gets no heartbeats meanwhile', async () => {
      const slow = await open(await rig.handle('a', { heartbeat: 20 }))
      await until(() => sinks().live === 1, 'live')
      slow.pause()
      for (let i = 0; i < 400; i += 1) {
        await rig.append(big(i))
        rig.streams.wake('local')
        if (i % 4 === 0) await sleep(1)
      }
      await until(() => sinks().behind === 1, 'behind')
      const { waiting } = sinks()
      await sleep(100)
      expect(sinks().waiting).to.equal(waiting)
    })

    it('gets a reset in mid-stream when what it missed is pruned', async () => {
      rig.payload = memoryStore({ maxPerKey: 20 })
      const slow = await open(await rig.handle('a'))
      const quiet = await open(await rig.handle('quiet'))
      await until(() => sinks().live === 2, 'live')
      slow.pause()
      for (let i = 0; i < 400; i += 1) {
        await rig.append(big(i))
        rig.streams.wake('local')
        if (i % 4 === 0) await sleep(1)
      }
      await until(() => sinks().behind === 1, 'behind')
      await rig.payload.prune()
      slow.resume()
      await until(() => slow.ofType('reset').length === 1, 'the reset', 10_000)
      expect(reasons(slow)).to.deep.equal(['pruned'])
      await rig.put('a', 'next')
      await rig.put('quiet', 'next')
      await until(() => slow.payloads().includes('next') && quiet.payloads().includes('next'), 'the next')
      expect(reasons(quiet)).to.deep.equal([])
      const ids = slow.messages.map(({ id }) => Number(id?.split('-')[1]))
      expect(ids).to.deep.equal([...ids].sort((a, b) => a - b))
    })

    aside('is cut 5 s after the end of its stream', async (own) => {
      const slow = await stream(await own.handle('a'))
      await until(() => own.streams.stats().live === 1, 'live')
      slow.pause()
      for (let i = 0; i < 400; i += 1) {
        await own.append(big(i))
        own.streams.wake('local')
        if (i % 4 === 0) await sleep(1)
      }
      await until(() => own.streams.stats().behind === 1, 'behind')
      const began = performance.now()
      await own.streams.close()
      expect(performance.now() - began).to.be.within(4900, 7500)
      slow.close()
    })

    it('is cut when it has taken nothing for 60 s, and not while it takes something', async () => {
      let connection: Connection | null = null
      let closed = false
      const url = await rig.serve((_req, res) => {
        connection = createConnection(
          res,
          { heartbeat: 1000, duration: Number.POSITIVE_INFINITY, retry: [1, 1] },
          {
            kind: 'stream',
            tally: { events: 0 },
            buffer: 1000,
            onDrain: () => {},
            lastWords: () => '',
            onEnd: () => {},
            onClose: () => {
              closed = true
            },
            onFault: () => {},
          },
        )
        connection.open('event: ready\ndata: {}\n\n')
      })
      const slow = await open(url)
      slow.pause()
      const own = await until(() => connection, 'the connection')
      const batch = {
        epoch: 'e0p1',
        events: [],
        sent: [],
        withEnds: null,
        bytes: () => Buffer.alloc(16 * 1024 * 1024, 'x'),
      }
      while (own.write(batch)) await sleep(1)
      // What is written in a later turn is a write of its own to the system, and so is its end.
      await sleep(1)
      own.write(batch)
      await sleep(50)
      const now = performance.now()
      own.tick(now, 1000)
      own.tick(now + 59_000, 1000)
      await sleep(20)
      expect(closed).to.equal(false)
      const before = own.measure().waiting
      while (own.measure().waiting === before) {
        slow.resume()
        await turn()
        slow.pause()
        await sleep(1)
      }
      expect(own.measure().waiting).to.be.above(0)
      own.tick(now + 100_000, 1000)
      await sleep(20)
      expect(closed).to.equal(false)
      await until(() => {
        own.tick(now + 200_000, 1000)
        return closed
      }, 'the cut')
    })
  })

  describe('when the client goes', () => {
    it('during an async authorize, opens nothing and leaves nothing', async () => {
      let authorizing = 0
      let gone = 0
      let release = () => {}
      const held = new Promise<boolean>((resolve) => {
        release = () => resolve(true)
      })
      const handle = createHandler(rig, 'a', {
        authorize: () => {
          authorizing += 1
          return held
        },
      })
      let answered = 0
      const url = await rig.serve(async (req, res) => {
        res.once('close', () => {
          gone += 1
        })
        await handle(req, res)
        answered += 1
      })
      const early = Array.from({ length: 20 }, () => http.get(url, { agent: false }).on('error', () => {}))
      await until(() => authorizing === 20, 'all in authorize')
      for (const request of early) request.destroy()
      await until(() => gone === 20, 'all gone')
      release()
      await until(() => answered === 20, 'all decided')
      expect(sinks()).to.include({ streams: 0, keys: 0 })
      expect(rig.reports).to.deep.equal([])
    })

    aside('that had pipelined its requests, leaves nothing, and close() resolves', async (own) => {
      const { port } = new URL(await own.handle('a', { replay: 'all' }))
      const sinks = () => own.streams.stats()
      const socket = net.connect(Number(port), '127.0.0.1')
      let received = ''
      socket.setEncoding('latin1').on('data', (text: string) => {
        received += text
      })
      socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20))
      await until(() => received.includes('event: ready') && sinks().streams > 1, 'the streams')
      expect(sinks().live + sinks().behind).to.equal(1)
      socket.destroy()
      await until(() => sinks().streams === 0, 'the end of all', 10_000)
    })

    it('while an event is on its way to it, breaks nothing', async () => {
      const responses: http.ServerResponse[] = []
      const handle = createHandler(rig, 'a')
      const url = await rig.serve((req, res) => {
        responses.push(res)
        void handle(req, res)
      })
      const [gone, stays] = [await open(url), await open(url)]
      await until(() => sinks().live === 2, 'live')
      responses[0]?.destroy()
      await rig.put('a', 1)
      await until(() => stays.payloads().length === 1, 'the event')
      await until(() => sinks().streams === 1, 'one stream')
      expect(gone.payloads()).to.deep.equal([])
      // node:http keeps its errors to itself; middleware that wraps a response may not.
      responses[1]?.emit('error', new Error('of a middleware'))
    })

    it('in any way, some thousand times, leaves no stream, listener or timer', async () => {
      const url = await rig.handle('a', { heartbeat: 50 })
      const { port } = new URL(url)
      for (let i = 0; i < 50; i += 1) await rig.put('a', i)
      const request = 'GET / HTTP/1.1\r\nHost: x\r\nLast-Event-ID: nonsense\r\n\r\n'
      const ways: ((socket: net.Socket) => Promise<unknown>)[] = [
        async (socket) => socket.destroy(),
        async (socket) => socket.resetAndDestroy(),
        async (socket) => {
          await once(socket, 'data')
          socket.destroy()
        },
        async (socket) => {
          await once(socket, 'data')
          socket.resetAndDestroy()
        },
        async (socket) => {
          await once(socket, 'data')
          socket.end()
        },
      ]
      async function cycle(i: number): Promise<void> {
        const socket = net.connect(Number(port), '127.0.0.1')
        socket.on('error', () => {})
        const closed = once(socket, 'close')
        await once(socket, 'connect')
        socket.write(request)
        await ways[i % ways.length]?.(socket)
        await closed
      }
      for (let i = 0; i < 3000; i += 30) {
        await Promise.all(Array.from({ length: 30 }, (_, j) => cycle(i + j)))
        if (i % 300 === 0) await rig.put('a', i)
      }
      await until(() => sinks().streams === 0, 'no stream')
      expect(sinks()).to.include({ live: 0, behind: 0, keys: 0, cursor: null, mode: null })
      expect(rig.reports).to.deep.equal([])
    })

    it('reconnecting at random under publishing at full speed, 50 of them get each event once', async () => {
      const url = await rig.handle('a')
      const first = await open(url)
      const begin = first.lastId() ?? ''
      let publishing = true
      let published = 0
      const runs = Array.from({ length: 50 }, async () => {
        const seen: number[] = []
        let last = begin
        let connections = 0
        while (publishing || seen.length < published) {
          const reader = await connect(url, {
            headers: { 'Last-Event-ID': last },
            onMessage: ({ id, event, data }) => {
              last = id ?? last
              if (event !== 'ready') seen.push(event === 'reset' ? -1 : JSON.parse(data))
            },
          })
          connections += 1
          const stay = performance.now() + Math.random() * 120
          await until(() => performance.now() > stay || seen.length === published, 'a while')
          reader.close()
          await sleep(Math.random() * 10)
        }
        return { seen, connections }
      })
      const until2s = performance.now() + 2000
      while (performance.now() < until2s) {
        await rig.append(
          ...Array.from({ length: 5 }, (_, i) => ({ key: 'a', payload: String(published + i) })),
        )
        published += 5
        rig.streams.wake('local')
        await sleep(2)
      }
      publishing = false
      const all = await Promise.all(runs)
      const wanted = Array.from({ length: published }, (_, i) => i)
      for (const { seen } of all) expect(seen).to.deep.equal(wanted)
      expect(all.reduce((sum, { connections }) => sum + connections, 0)).to.be.above(100)
    })
  })

  describe('works under', () => {
    it('HTTP/2, without a Connection header, and lets a stalled client wait', async () => {
      const handle = createHandler<http2.Http2ServerRequest>(rig, (req) => req.url.slice(1).split(','))
      const server = http2.createServer(handle)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      try {
        const request = session.request({ ':path': '/a', accept: 'text/event-stream' })
        const [headers] = await once(request, 'response')
        expect(headers[':status']).to.equal(200)
        expect(headers).not.to.have.any.keys('connection', 'transfer-encoding')
        expect(headers['content-type']).to.equal('text/event-stream; charset=utf-8')
        const reader = createReader()
        request.setEncoding('utf8').on('data', (text: string) => reader.feed(text))
        await until(() => sinks().live === 1, 'live')
        await rig.put('a', 'x')
        await until(() => reader.messages.length === 2, 'the event')
        request.pause()
        for (let i = 0; i < 200; i += 1) {
          await rig.append({ key: 'a', payload: JSON.stringify('y'.repeat(50_000)) })
          rig.streams.wake('local')
          if (i % 4 === 0) await sleep(1)
        }
        await until(() => sinks().behind === 1, 'behind')
        expect(sinks().waiting).to.be.below(1.5 * 1024 * 1024)
        request.resume()
        await until(() => reader.messages.length === 202, 'all events', 10_000)
        const head = session.request({ ':path': '/a', ':method': 'HEAD' })
        const [headHeaders] = await once(head, 'response')
        expect(headHeaders[':status']).to.equal(200)
        head.resume()
        const refused = session.request({ ':path': '/a', accept: 'application/json' })
        const [refusedHeaders] = await once(refused, 'response')
        expect(refusedHeaders[':status']).to.equal(406)
        refused.resume()
        request.close()
        await until(() => sinks().streams === 0, 'no stream')
        const ended = session.request({ ':path': '/b' })
        ended.resume()
        await until(() => sinks().live === 1, 'live')
        await rig.end('b')
        await once(ended, 'close')
      } finally {
        session.close()
        await new Promise((resolve) => server.close(resolve))
      }
    })

    it('Express, with keys of the route’s own type', async () => {
      const app = express()
      app.get(
        '/stream/:id',
        createHandler(rig, (req: express.Request) => `user:${req.params.id}`),
      )
      const url = await rig.serve(app)
      const client = await open(`${url}/stream/42`)
      await rig.put('user:42', 'hello')
      await until(() => client.payloads().length === 1, 'the event')
      expect((await ask(`${url}/stream/42`, 'GET', { Accept: 'application/json' })).status).to.equal(406)
    })

    it('Express middleware that wraps write and compresses what may be transformed', async () => {
      const handle = createHandler(rig, 'a')
      const app = express()
      app.use((_req, res, next) => {
        const { write } = res
        // As compression middleware does it: unless no-transform, hold everything back.
        res.write = ((chunk: Buffer | string) => {
          const held = !String(res.getHeader('Cache-Control')).includes('no-transform')
          return held || write.call(res, chunk, 'utf8')
        }) as typeof res.write
        next()
      })
      app.get('/', handle)
      const client = await open(await rig.serve(app))
      await rig.put('a', 1)
      await until(() => client.payloads().length === 1, 'the event')
    })

    it('Fastify on the raw request and response', async () => {
      const handle = createHandler(rig, 'a')
      const app = fastify({ forceCloseConnections: true })
      app.get('/', (request, reply) => {
        reply.hijack()
        return handle(request.raw, reply.raw)
      })
      const url = await app.listen({ port: 0, host: '127.0.0.1' })
      const client = await open(url)
      await rig.put('a', 1)
      await until(() => client.payloads().length === 1, 'the event')
      client.close()
      await app.close()
    })
  })

  describe('when the instance closes', () => {
    it('ends every stream, after what waits was sent, and resolves more than once', async () => {
      const url = await rig.handle('a')
      const all = await Promise.all(Array.from({ length: 20 }, () => open(url)))
      await until(() => sinks().live === 20, 'live')
      await rig.put('a', 1)
      await until(() => all.every((client) => client.payloads().length === 1), 'the event')
      await Promise.all([rig.streams.close(), rig.streams.close()])
      await until(() => all.every((client) => client.ended), 'the ends')
      await rig.streams.close()
    })

    it('sends later clients away for the time being: 200, retry, and the end', async () => {
      const url = await rig.handle('a')
      await rig.streams.close()
      const client = await connect(url)
      await until(() => client.ended, 'the end')
      expect(client.status).to.equal(200)
      expect(client.headers['content-type']).to.equal('text/event-stream; charset=utf-8')
      expect(client.retries.length).to.equal(1)
      expect(client.messages).to.deep.equal([])
    })
  })
})

async function withRig(test: (rig: Rig) => Promise<void>): Promise<void> {
  const rig = createRig()
  try {
    await test(rig)
  } finally {
    await rig.close()
  }
}
