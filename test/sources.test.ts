import { once } from 'node:events'
import { createReadStream, writeFileSync } from 'node:fs'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import express from 'express'
import type { NodeContext } from '../dist/http/node.js'
import { createSourceHandler } from '../dist/http/source.js'
import type { SourceOptions } from '../dist/source-options.js'
import type { Source, SourceCall } from '../dist/stream/source/source.js'
import { freshFolder } from './support/folder.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

type Ask = NonNullable<SourceOptions<NodeContext['req'], false>>

describe('streamFrom', () => {
  let rig: Rig
  let clients: Client[]

  const serve = (source: Source<NodeContext>, options?: Ask) =>
    rig.serve(createSourceHandler(rig, source, options))

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const codes = () => rig.reports.map(({ code }) => code)
  const reasons = (client: Client) => client.ofType('end').map(({ data }) => JSON.parse(data).reason)
  /** The data of all messages but ready. */
  const data = (client: Client) => client.messages.slice(1).map((message) => message.data)
  const isAlone = () => rig.streams.stats().streams === 0

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
    expect(rig.streams.stats()).to.include({ streams: 0, keys: 0, mode: null, waiting: 0 })
  })

  describe('over a callback', () => {
    it('asks at once and then at every interval, sends what comes, and nothing for null', async () => {
      let calls = 0
      const answers = [{ n: 1 }, null, undefined, 'two', 0, false]
      const client = await open(await serve(() => answers[calls++] ?? null, { every: 20 }))
      await until(() => calls > answers.length, 'all answers')
      expect(data(client)).to.deep.equal(['{"n":1}', '"two"', '0', 'false'])
    })

    it('gives items and ready no id, for nothing could honour it', async () => {
      const client = await open(await serve(async () => 1, { every: '1h' }))
      await until(() => client.messages.length === 2, 'the item')
      expect(client.messages.map(({ id, event }) => [id, event])).to.deep.equal([
        [undefined, 'ready'],
        [undefined, undefined],
      ])
      expect(client.ofType('ready')[0]?.data).to.equal('{"heartbeat":15000}')
    })

    it('names items by their envelope, or else by the option', async () => {
      const answers: unknown[] = [
        1,
        { event: 'b', data: [2] },
        { event: null, data: 3 },
        { event: undefined, data: null },
        { event: 'c', data: 4, more: 5 },
      ]
      const client = await open(await serve(() => answers.shift(), { every: 20, event: 'a' }))
      await until(() => client.messages.length === 6, 'the items')
      expect(client.messages.slice(1).map(({ event, data: text }) => [event, text])).to.deep.equal([
        ['a', '1'],
        ['b', '[2]'],
        [undefined, '3'],
        ['a', 'null'],
        ['a', '{"event":"c","data":4,"more":5}'],
      ])
    })

    it('keeps its interval, and is never asked twice at a time', async () => {
      let running = 0
      let most = 0
      const asked: number[] = []
      const client = await open(
        await serve(
          async () => {
            asked.push(performance.now())
            most = Math.max(most, ++running)
            await sleep(130)
            running -= 1
          },
          { every: 100 },
        ),
      )
      await until(() => asked.length === 6, 'six turns')
      client.close()
      const [first = 0, ...rest] = asked
      expect(most).to.equal(1)
      // Each call outlasts the turn after its own, which is left out; one that is late now and then moves no other.
      const off = rest.map((at) => Math.abs(((at - first + 50) % 100) - 50)).sort((a, b) => a - b)
      expect(off[2], asked.join()).to.be.below(15)
      expect(rest.at(-1)).to.be.above(first + 990)
    })

    it('that throws costs that turn alone, and is reported once a row', async () => {
      let calls = 0
      const url = await serve(
        () => {
          calls += 1
          if (calls < 4) throw new Error(`no database ${calls}`)
          // Nothing can make a text of this.
          if (calls === 6) throw Object.create(null)
          return calls
        },
        { every: 20 },
      )
      const client = await open(url)
      await until(() => data(client).length === 3, 'three items')
      expect(data(client)).to.deep.equal(['4', '5', '7'])
      expect(codes()).to.deep.equal(['SOURCE_FAILED', 'SOURCE_FAILED'])
      expect(rig.reports[0]?.message).to.match(
        /^SOURCE_FAILED: a source at "\/" threw \(no database 1\); read the cause;/,
      )
      expect(rig.reports[0]?.cause).to.be.an('error').with.property('message', 'no database 1')
    })

    it('that gives what cannot be sent loses that alone', async () => {
      const answers: unknown[] = [
        Number.NaN,
        { event: 'ready', data: 1 },
        'x'.repeat(1024 * 1024),
        1n,
        'good',
      ]
      const client = await open(await serve(() => answers.shift(), { every: 20 }))
      await until(() => data(client).length === 1, 'the good one')
      expect(data(client)).to.deep.equal(['"good"'])
      expect(codes()).to.deep.equal(['SOURCE_FAILED'])
      expect(rig.reports[0]?.cause).to.have.property('code', 'PAYLOAD_INVALID')
    })

    it('that gives bytes gives the text that they are, each turn by itself', async () => {
      const answers = [
        Buffer.from('é').subarray(0, 1),
        Buffer.from('naïve'),
        { event: 'x', data: Uint8Array.of(65) },
      ]
      const client = await open(await serve(() => answers.shift(), { every: 20 }))
      await until(() => data(client).length === 3, 'three texts')
      expect(data(client)).to.deep.equal(['"\ufffd"', '"naïve"', '"A"'])
    })

    it('that hangs is told by its signal, reported, and asked again when it has answered after all', async () => {
      const signals: AbortSignal[] = []
      let answer = (_: string) => {}
      const url = await serve(
        (_context, { signal }) => {
          signals.push(signal)
          if (signals.length > 1) return 'next'
          return new Promise((resolve) => {
            answer = resolve
          })
        },
        { every: 20, timeout: 30, heartbeat: 20 },
      )
      const client = await open(url)
      await until(() => codes().length > 0, 'the report')
      expect(rig.reports[0]?.message).to.match(
        /^SOURCE_TIMEOUT: a source at "\/" has not answered within 30 ms;/,
      )
      expect(signals[0]?.aborted).to.equal(true)
      const { length } = client.comments
      await until(() => client.comments.length > length + 3, 'heartbeats meanwhile')
      expect(signals).to.have.length(1)
      answer('late')
      await until(() => data(client).length > 1, 'the next turns')
      expect(data(client).slice(0, 2)).to.deep.equal(['"next"', '"next"'])
      expect(signals[1]?.aborted).to.equal(false)
      expect(codes()).to.deep.equal(['SOURCE_TIMEOUT'])
    })

    it('is told by its signal, and not asked again, when the client has left', async () => {
      let call: SourceCall | null = null
      let calls = 0
      const client = await open(
        await serve(
          (_context, given) => {
            calls += 1
            call = given
            return new Promise(() => {})
          },
          { every: 20 },
        ),
      )
      await until(() => call, 'the call')
      client.close()
      await until(() => call?.signal.aborted, 'the abort')
      expect([calls, isAlone(), codes()]).to.deep.equal([1, true, []])
    })

    it('has the longest life of the instance, or its own', async () => {
      rig = Object.assign(rig, { settings: { ...rig.settings, duration: 60 } })
      const client = await open(await serve(() => 1, { every: 20 }))
      await until(() => client.ended, 'the end by the instance’s duration')
      expect(client.isDone()).to.equal(false)
      const own = await open(await serve(() => 1, { every: 20, duration: false }))
      await until(() => data(own).length > 6, 'more than 60 ms')
      expect(own.ended).to.equal(false)
    })
  })

  describe('over an iterable', () => {
    it('ends with [DONE] behind the last token, read by fetch as it comes', async () => {
      const words = ['Grüße', ' aus', ' 東京\n', '', ' 🎉'].flatMap(
        (word) => Array(50).fill(word) as string[],
      )
      let release = () => {}
      const held = new Promise<void>((resolve) => {
        release = resolve
      })
      const url = await serve(async function* () {
        for (const [i, word] of words.entries()) {
          if (i === 100) await held
          else if (i % 7 === 0) await turn()
          yield word
        }
      })
      const response = await fetch(url, { headers: { Connection: 'close' } })
      let text = ''
      for await (const bytes of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        text += bytes
        if (text.split('\n\n').length === 102) release()
      }
      const blocks = text.split('\n\n').slice(1, -1)
      expect(blocks.at(-1)).to.equal('id: done\ndata: [DONE]')
      expect(blocks.slice(0, -1).map((block) => JSON.parse(block.slice(6)))).to.deep.equal(words)
    })

    it('is run once for a native EventSource, which gets 204 when it comes back', async () => {
      let runs = 0
      const url = await serve(
        async function* () {
          runs += 1
          yield 'only'
        },
        { retry: 20 },
      )
      const source = new EventSource(url)
      const seen: string[] = []
      const failed: unknown[] = []
      source.onmessage = (message) => seen.push(message.data)
      source.onerror = (error) => failed.push(error.code)
      await until(() => source.readyState === EventSource.CLOSED, 'the 204')
      expect(seen).to.deep.equal(['"only"', '[DONE]'])
      expect([runs, failed.at(-1)]).to.deep.equal([1, 204])
    })

    it('that is answered by an async function, or an iterator, is read as well', async () => {
      const answers = [
        async () => new Blob(['12']).stream().pipeThrough(digits()),
        function* () {
          yield* [1, Promise.resolve(2)]
        },
        () => ({
          n: 0,
          async next() {
            return { done: this.n === 2, value: ++this.n }
          },
        }),
      ]
      for (const answer of answers) {
        const client = await open(await serve(answer))
        await until(() => client.ended, 'the end')
        expect(data(client)).to.deep.equal(['1', '2', '[DONE]'])
      }
    })

    it('gives each client its own items where it can be read again', async () => {
      const url = await serve([1, { event: 'b', data: 2 }, null, 3])
      for (const client of [await open(url), await open(url)]) {
        await until(() => client.ended, 'the end')
        expect(data(client)).to.deep.equal(['1', '2', '3', '[DONE]'])
      }
    })

    it('that can be read once has an end for the second client, with the reason, and is reported once', async () => {
      async function* generate() {
        yield 1
      }
      for (const source of [generate(), new Blob(['1']).stream().pipeThrough(digits())]) {
        const url = await serve(source)
        const seen = []
        for (let i = 0; i < 3; i += 1) {
          const client = await open(url)
          await until(() => client.ended, 'the end')
          seen.push([...reasons(client), ...data(client).slice(-2)])
        }
        const used = ['used', '{"reason":"used"}', '[DONE]']
        expect(seen).to.deep.equal([['1', '[DONE]'], used, used])
        expect(codes()).to.deep.equal(['SOURCE_USED'])
        expect(rig.reports.pop()?.remedy).to.include('pass a function')
      }
    })

    it('that throws in the middle is reported, and tells the client so in-band', async () => {
      const fault = new Error('out of tokens')
      const client = await open(
        await serve(async function* () {
          yield 1
          throw fault
        }),
      )
      await until(() => client.ended, 'the end')
      expect(data(client)).to.deep.equal(['1', '{"reason":"failed"}', '[DONE]'])
      expect(reasons(client)).to.deep.equal(['failed'])
      expect(client.lastId()).to.equal('done')
      expect(rig.reports[0]).to.include({ code: 'SOURCE_FAILED', cause: fault })
    })

    it('of bytes becomes text, over the borders of chunks, in its order with what is mixed with them', async () => {
      const text = '\ufeffnaïve — 🧪 \r\n'.repeat(3)
      const file = join(freshFolder(), 'text')
      writeFileSync(file, text)
      const sources: Source<NodeContext>[] = [
        () => createReadStream(file, { highWaterMark: 5 }),
        () => new Blob([text]).stream(),
        Array.from(Buffer.from(text), (byte) => Uint8Array.of(byte)),
      ]
      for (const source of sources) {
        const client = await open(await serve(source))
        await until(() => client.ended, 'the end')
        const parts = data(client).slice(0, -1)
        expect(parts.map((part) => JSON.parse(part)).join('')).to.equal(text)
      }
      const emoji = Buffer.from('🧪')
      const [half, most] = [emoji.subarray(0, 2), emoji.subarray(0, 3)]
      const last = { event: 'x', data: emoji.subarray(3) }
      const mixed = await open(await serve([half, { a: 1 }, most, last, 'text', half]))
      await until(() => mixed.ended, 'the end')
      expect(data(mixed)).to.deep.equal(['"\ufffd"', '{"a":1}', '"🧪"', '"text"', '"\ufffd"', '[DONE]'])
      expect(mixed.ofType('x').map((event) => event.data)).to.deep.equal(['"🧪"'])
      expect(codes()).to.deep.equal([])
    })

    it('may give text above the cap of one event, which is cut into several', async () => {
      const client = await open(await serve(['é'.repeat(2 ** 19), 'end']))
      await until(() => client.ended, 'the end')
      expect(data(client).map(({ length }) => length)).to.deep.equal([2 ** 19 + 1, 3, 5, 6])
    })

    it('of bytes that throws has told before what it had', async () => {
      const client = await open(
        await serve(async function* () {
          yield Buffer.from('🧪a').subarray(0, 3)
          throw new Error('cut')
        }),
      )
      await until(() => client.ended, 'the end')
      expect(data(client)).to.deep.equal(['"\ufffd"', '{"reason":"failed"}', '[DONE]'])
    })

    it('whose iterator gives no object is reported as one that throws', async () => {
      for (const step of [5, null]) {
        const source = { [Symbol.asyncIterator]: () => ({ next: () => step }) }
        const client = await open(await serve(source as never))
        await until(() => client.ended, 'the end')
        expect(data(client)).to.deep.equal(['{"reason":"failed"}', '[DONE]'])
        expect(rig.reports.at(-1)?.message).to.include(
          `next() of an iterator gave ${step} instead of an object`,
        )
        expect(rig.reports.at(-1)?.code).to.equal('SOURCE_FAILED')
      }
    })

    it('goes on behind an item that cannot be sent', async () => {
      const client = await open(await serve([1, () => {}, { event: 'a\nb', data: 2 }, 3]))
      await until(() => client.ended, 'the end')
      expect(data(client)).to.deep.equal(['1', '3', '[DONE]'])
      expect(codes()).to.deep.equal(['SOURCE_FAILED'])
    })

    it('is let go, also in the middle of a wait, when the client leaves', async () => {
      const told: string[] = []
      const url = await serve((_context, { signal }) => ({
        [Symbol.asyncIterator]() {
          return this
        },
        next: () => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ value: 1 }))),
        return() {
          told.push(`return, aborted: ${signal.aborted}`)
          throw new Error('nobody hears this')
        },
      }))
      const client = await open(url)
      client.close()
      await until(() => told.length > 0, 'the return')
      expect(told).to.deep.equal(['return, aborted: true'])
      expect([isAlone(), codes()]).to.deep.equal([true, []])
    })

    it('runs its finally when the client leaves between two tokens, and hears nothing of it when it ends by itself', async () => {
      let finals = 0
      const aborts: boolean[] = []
      const url = await serve(async function* ({ req }, { signal }) {
        try {
          signal.addEventListener('abort', () => aborts.push(true))
          yield 1
          while (req.url === '/long') {
            await turn()
            yield 2
          }
        } finally {
          finals += 1
        }
      })
      const long = await open(`${url}/long`)
      await until(() => data(long).length > 3, 'tokens')
      long.close()
      await until(() => finals === 1, 'finally')
      expect(aborts).to.deep.equal([true])
      const brief = await open(`${url}/brief`)
      await until(() => brief.ended && isAlone(), 'the end')
      expect([finals, aborts]).to.deep.equal([2, [true]])
    })

    it('that comes too late for its client is let go', async () => {
      const returned: string[] = []
      let answer = (_: unknown) => {}
      const url = await serve(
        () =>
          new Promise((resolve) => {
            answer = resolve
          }),
      )
      const client = await open(url)
      client.close()
      await until(isAlone, 'the client to leave')
      answer({ next: () => ({ done: true }), return: () => void returned.push('yes') })
      await until(() => returned.length > 0, 'the return')
    })

    it('is read no faster than the client reads', async () => {
      let pulled = 0
      const url = await serve(function* ({ req }) {
        while (req.url === '/' || pulled < 10) yield `${req.url === '/' ? ++pulled : 0}${'x'.repeat(60_000)}`
      })
      const client = await open(url)
      client.pause()
      await until(() => rig.streams.stats().waiting > 0, 'a full socket')
      // What the kernel takes settles while another client reads a hundred times as much.
      let before = -1
      await until(async () => {
        const [now] = [pulled]
        const settled = now === before
        before = now
        await sleep(30)
        return settled
      }, 'the kernel to be full')
      expect(rig.streams.stats().waiting).to.be.below(200_000)
      expect(pulled).to.be.below(400)
      client.resume()
      await until(() => pulled > before + 100, 'more, as it is read again')
    })

    it('that never waits leaves the loop to others', async () => {
      let asked = 0
      const url = await serve(function* () {
        for (;;) {
          asked += 1
          yield null
        }
      })
      const client = await open(url)
      const began = performance.now()
      for (let i = 0; i < 20; i += 1) await turn()
      expect(performance.now() - began).to.be.below(1000)
      expect(asked).to.be.above(1000)
      client.close()
      await until(isAlone, 'the end')
    })

    it('has no longest life unless one is given', async () => {
      rig = Object.assign(rig, { settings: { ...rig.settings, duration: 40 } })
      async function* tick() {
        for (;;) {
          await sleep(10)
          yield 1
        }
      }
      const client = await open(await serve(tick))
      await until(() => data(client).length > 9, 'more than 40 ms')
      expect(client.ended).to.equal(false)
      const cut = await open(await serve(tick, { duration: 40 }))
      await until(() => cut.ended, 'the cut')
      expect(cut.isDone()).to.equal(false)
    })
  })

  describe('as every stream', () => {
    it('gets prelude, retry and headers at once, and heartbeats while a token is awaited', async () => {
      const url = await serve(
        async function* () {
          await new Promise(() => {})
        },
        { heartbeat: 20, retry: 1234 },
      )
      const client = await open(`${url}/?mode=short`)
      expect(client.headers).to.include({
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
      })
      expect(client.firstByte).to.be.below(100)
      expect(client.comments[0]?.length).to.be.at.least(128)
      expect(client.retries).to.deep.equal([1234])
      await until(() => client.comments.length > 3, 'heartbeats')
    })

    it('answers HEAD, OPTIONS, other methods, and what accepts no stream, without a call', async () => {
      let calls = 0
      const url = await serve(() => ++calls)
      const ask = async (method: string, headers = {}) =>
        (await fetch(url, { method, headers: { Connection: 'close', ...headers } })).status
      expect(await ask('HEAD')).to.equal(200)
      expect(await ask('OPTIONS')).to.equal(204)
      expect(await ask('POST')).to.equal(405)
      expect(await ask('GET', { Accept: 'application/json' })).to.equal(406)
      expect(await ask('GET', { 'Last-Event-ID': 'done' })).to.equal(204)
      expect([calls, isAlone()]).to.deep.equal([0, true])
    })

    it('asks authorize before the source, and tells the source who asks and what he saw', async () => {
      const url = await serve(({ req, res }, { lastEventId }) => [req.url, res.headersSent, lastEventId], {
        authorize: async (req) => req.headers['x-user'] === 'me',
        every: '1h',
      })
      const refused = await fetch(url, { headers: { Connection: 'close' } })
      expect([refused.status, await refused.text()]).to.deep.equal([403, 'Forbidden\n'])
      const client = await open(`${url}/a?lastEventId=x`, { headers: { 'X-User': 'me' } })
      await until(() => data(client).length === 1, 'the item')
      expect(data(client)).to.deep.equal(['["/a?lastEventId=x",true,"x"]'])
    })

    it('ends at once where its source closes everything when it is called', async () => {
      const signals: AbortSignal[] = []
      const url = await serve((_context, { signal }) => {
        signals.push(signal)
        void rig.streams.close()
      })
      const client = await connect(url)
      await until(() => client.ended && signals[0]?.aborted, 'the end')
      expect(signals).to.have.length(1)
    })

    it('is counted, and ended without [DONE] by a hand-over and by close', async () => {
      const signals: AbortSignal[] = []
      const url = await serve((_context, { signal }) => {
        signals.push(signal)
      })
      const first = await open(url)
      expect(rig.streams.stats().streams).to.equal(1)
      rig.streams.handOver()
      await until(() => first.ended && signals[0]?.aborted, 'the end')
      const second = await open(url)
      const closed = rig.streams.close()
      await until(() => second.ended && signals[1]?.aborted, 'the end')
      await closed
      const late = await connect(url)
      await until(() => late.ended, 'the end at once')
      expect([first, second, late].map((client) => client.isDone())).to.deep.equal([false, false, false])
      expect([signals.length, late.status]).to.deep.equal([2, 200])
    })

    it('leaves no run behind, whenever its clients leave', async () => {
      let begun = 0
      let ended = 0
      const signals = new Set<AbortSignal>()
      const url = await serve(
        ({ req }, { signal }) => {
          signals.add(signal)
          return req.url === '/words' ? words(signal) : turn(null)
        },
        { every: 20, authorize: async () => (await turn(true)) === true },
      )
      async function* words(signal: AbortSignal) {
        begun += 1
        try {
          for (;;) yield await sleep(Math.random() * 5, 'word', { signal })
        } finally {
          ended += 1
        }
      }
      async function visit(path: string, leaving: number) {
        const signal = AbortSignal.timeout(leaving)
        const response = await fetch(url + path, { signal, headers: { Connection: 'close' } })
        await response.text()
      }
      for (let round = 0; begun < 100; round += 1) {
        const visits = Array.from({ length: 20 }, (_, i) =>
          visit(i % 4 ? '/words' : '/state', 1 + 2 * i + round),
        )
        await Promise.allSettled(visits)
      }
      await until(() => isAlone() && begun === ended, 'the end of all runs')
      expect([...signals].filter(({ aborted }) => !aborted)).to.deep.equal([])
      expect(codes()).to.deep.equal([])
    })

    it('works over HTTP/2', async () => {
      const server = http2.createServer(createSourceHandler<never>(rig, ['a', 'b']) as never).listen(0)
      await once(server, 'listening')
      const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      const request = session.request({ ':path': '/' }).setEncoding('utf8')
      let text = ''
      request.on('data', (part) => {
        text += part
      })
      await once(request, 'close')
      session.close()
      server.close()
      expect(text).to.match(/data: "a"\n\ndata: "b"\n\nid: done\ndata: \[DONE\]\n\n$/)
    })
  })

  it('tells in its reports which source it was and where, without the query', async () => {
    const app = express()
    const under = express.Router()
    app.use('/api', under)
    const once = [Number.NaN][Symbol.iterator]()
    const dry = () => {
      throw new Error('dry')
    }
    async function hang() {
      await new Promise(() => {})
    }
    under.get('/dry', createSourceHandler(rig, dry))
    under.get('/hang', createSourceHandler(rig, hang, { timeout: 20 }))
    under.get('/once', createSourceHandler(rig, once))
    const url = await rig.serve(app)
    for (const path of ['dry?token=x', 'hang', 'once', 'once']) {
      const told = rig.reports.length
      await open(`${url}/api/${path}`)
      await until(() => rig.reports.length > told, path)
    }
    expect(rig.reports.map(({ message }) => message.split(/ \(|;/)[0])).to.deep.equal([
      'SOURCE_FAILED: the source "dry" at "/api/dry" threw',
      'SOURCE_TIMEOUT: the source "hang" at "/api/hang" has not answered within 20 ms',
      'SOURCE_FAILED: a source at "/api/once" gave what cannot be sent',
      'SOURCE_USED: a source at "/api/once" can be read once, and was asked for again',
    ])
  })

  it('refuses bad sources and options when it is made', () => {
    const make = (source: unknown, options: object = {}) => {
      try {
        createSourceHandler(rig, source as never, options)
      } catch (error) {
        return (error as Error).message
      }
      return 'made'
    }
    const ask = () => 1
    for (const source of ['orders', 5, null, undefined, { next: 1 }, Buffer.from('x')]) {
      expect(make(source)).to.match(/^OPTION_INVALID: a source is .*; use a function or an iterable;/)
    }
    expect(make(Promise.resolve([]))).to.include('a source is a Promise (forgotten await?); use a function')
    // @ts-expect-error: a text is an iterable of its characters, and meant as a key
    const text: Source<NodeContext> = 'orders'
    expect(make(text)).to.include('stream()')
    const wrong: [object, RegExp][] = [
      [{ every: -1 }, /every is -1; use milliseconds or a text such as "15s", from 20 ms to 1h/],
      [{ every: 0 }, /every is 0;/],
      [{ every: '2 weeks' }, /every is "2 weeks";/],
      [{ every: Number.NaN }, /every is NaN;/],
      [{ timeout: 'soon' }, /timeout is "soon";/],
      [{ share: 'yes' }, /share is "yes"; use true or false/],
      [{ share: true, replay: 'all' }, /replay is "all"; use "none" or "last"/],
      [{ replay: 'last' }, /replay is "last" without share; add share: true/],
      [{ poll: 5 }, /streamFrom has no option "poll"; known are event, every,/],
      [{ authorize: true }, /authorize is true; use a function/],
      [{ duration: -1 }, /duration is -1;/],
    ]
    for (const [options, message] of wrong) {
      expect(make(ask, options))
        .to.match(/^OPTION_INVALID/)
        .and.to.match(message)
    }
    expect(make(ask, { event: 'reset' })).to.match(/^EVENT_INVALID/)
    expect(make([], { every: 50 })).to.match(/^OPTION_INVALID: every is 50 for an iterable; leave it out/)
    expect(make(ask, { every: '2s', timeout: '1m', share: true, replay: 'none' })).to.equal('made')
  })
})

/** Each byte of a text of digits as a number. */
function digits(): TransformStream<Uint8Array, number> {
  return new TransformStream({
    transform: (bytes, to) => {
      for (const byte of bytes) to.enqueue(byte - 48)
    },
  })
}
