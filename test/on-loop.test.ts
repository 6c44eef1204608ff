import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import Koa from 'koa'
import { FileSignalError } from '../dist/errors.js'
import type { HookOptions } from '../dist/hook-options.js'
import { createKoaStream, type KoaContext } from '../dist/http/koa.js'
import { createHandler, type NodeContext, type NodeRequest } from '../dist/http/node.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('onLoop', () => {
  let rig: Rig
  let clients: Client[]

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const codes = () => rig.reports.map(({ code }) => code)

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
  })

  it('is called when the stream opens, and from then on at a steady pace', async () => {
    const times: number[] = []
    const onLoop = () => {
      times.push(performance.now())
      // A slow call does not put off the next one.
      const busyUntil = performance.now() + 10
      while (performance.now() < busyUntil);
    }
    await open(await rig.handle('a', { onLoop, poll: 40 }))
    expect(times).to.have.length.within(1, 2)
    await until(() => times.length >= 20, 'twenty calls')
    // Five turns take 200 ms; counted from the end of each call to the next, they would take 250.
    const spans = times.slice(5).map((time, i) => time - (times[i] ?? 0))
    expect(Math.min(...spans)).to.be.below(225)
    const average = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / (times.length - 1)
    expect(average).to.be.at.least(39)
  })

  it('is called at the pace of the instance where poll is not given', async () => {
    await rig.close()
    rig = createRig({ poll: 30 })
    let calls = 0
    const onLoop = () => {
      calls += 1
    }
    await open(await rig.handle('a', { onLoop }))
    await until(() => calls >= 4, 'four calls')
  })

  it('never overlaps itself: a call that is due while the last one runs is left out', async () => {
    const gate: (() => void)[] = []
    let calls = 0
    const onLoop = () => {
      calls += 1
      return new Promise<void>((resolve) => gate.push(resolve))
    }
    const beat = await open(await rig.handle('a', { onLoop, poll: 20, heartbeat: 20 }))
    const before = beat.comments.length
    await until(() => beat.comments.length > before + 5, 'the time of five calls')
    expect(calls).to.equal(1)
    gate[0]?.()
    await until(() => calls === 2, 'the next call')
    expect(rig.reports).to.deep.equal([])
  })

  for (const [how, fail] of Object.entries({
    throws: () => {
      throw new Error('no database')
    },
    rejects: () => Promise.reject(new Error('no database')),
  })) {
    it(`that ${how} is reported, and goes on`, async () => {
      let calls = 0
      const onLoop = () => {
        calls += 1
        if (calls === 2) return fail()
      }
      const client = await open(await rig.handle(['a', 'b'], { onLoop, poll: 20 }))
      await until(() => calls >= 4, 'two more calls')
      expect(codes()).to.deep.equal(['HOOK_FAILED'])
      expect(rig.reports[0]?.message).to.include('onLoop failed on a stream of "a, b" (no database)')
      await rig.put('a', 1)
      await until(() => client.payloads().length === 1, 'the event')
    })
  }

  it('that hangs is reported once, its signal aborted, and called again only when it has returned', async () => {
    let release = () => {}
    const signals: AbortSignal[] = []
    const onLoop: HookOptions<unknown>['onLoop'] = (_, { signal }) => {
      signals.push(signal)
      return signals.length > 1 ? null : new Promise<void>((resolve) => (release = resolve))
    }
    const client = await open(await rig.handle('a', { onLoop, poll: 20, hookTimeout: 50, heartbeat: 20 }))
    await until(() => codes().length === 1, 'the report')
    const before = client.comments.length
    await until(() => client.comments.length > before + 5, 'the time of five calls')
    expect(codes()).to.deep.equal(['HOOK_TIMEOUT'])
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true])
    release()
    await until(() => signals.length >= 3, 'two more calls')
    expect(codes()).to.deep.equal(['HOOK_TIMEOUT'])
  })

  it('ends with the stream: when the client leaves, when its time is over, and when the instance closes', async () => {
    for (const end of ['client', 'duration', 'close'] as const) {
      const signals: AbortSignal[] = []
      const onLoop: HookOptions<unknown>['onLoop'] = (_, { signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      }
      const duration = end === 'duration' ? 100 : false
      const client = await open(await rig.handle('a', { onLoop, poll: 20, duration }))
      expect(signals).to.have.length(1)
      if (end === 'client') client.close()
      if (end === 'close') await rig.streams.close()
      await until(() => rig.streams.stats().streams === 0, 'nobody')
      expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true])
    }
    expect(rig.reports).to.deep.equal([])
  })

  it('is called by short responses too, also where they answer at once', async () => {
    let calls = 0
    const onLoop = () => {
      calls += 1
    }
    const url = await rig.handle('a', { onLoop, poll: 20, heartbeat: 300 })
    const id = await rig.put('a', 1)
    for (const [query, least] of [
      ['?mode=short', 1],
      [`?mode=short&lastEventId=${id}`, 3],
    ] as const) {
      calls = 0
      const client = await connect(url + query)
      clients.push(client)
      await until(() => client.ended, 'the answer')
      expect(calls).to.be.at.least(least)
    }
  })

  it('is not called for who is refused, for HEAD, or where the key has ended', async () => {
    let calls = 0
    const onLoop = () => {
      calls += 1
    }
    const refused = await rig.handle('a', { onLoop, authorize: () => false })
    expect((await fetch(refused)).status).to.equal(403)
    const url = await rig.handle('a', { onLoop })
    await fetch(url, { method: 'HEAD' })
    const id = await rig.end('a')
    expect((await fetch(url, { headers: { 'Last-Event-ID': id } })).status).to.equal(204)
    expect(calls).to.equal(0)
  })

  describe('and beforeSend get', () => {
    it('the ctx of Koa, with its state', async () => {
      const seen: unknown[] = []
      const app = new Koa()
      app.use((ctx, next) => {
        ctx.state.user = ctx.get('x-user')
        return next()
      })
      const onLoop = (ctx: KoaContext) => void seen.push(ctx.state.user)
      app.use(createKoaStream(rig, 'a', { onLoop, beforeSend: (_, ctx) => ctx.state.user }))
      const client = await open(await rig.serve(app.callback()), { headers: { 'X-User': 'ada' } })
      await rig.put('a', 1)
      await until(() => client.payloads().length === 1, 'the event')
      expect([seen, client.payloads()]).to.deep.equal([['ada'], ['ada']])
    })

    it('{ req, res } from handler(), over HTTP/2 as well', async () => {
      const seen: NodeContext<NodeRequest>[] = []
      const handler = createHandler<NodeRequest>(rig, 'a', {
        onLoop: (context) => void seen.push(context),
        beforeSend: ({ payload }, { req }) => ({ payload, path: req.url }),
      })
      const server = http2.createServer((req, res) => void handler(req, res)).listen(0, '127.0.0.1')
      await until(() => server.listening, 'the server')
      const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
      const request = session.request({ ':path': '/x', accept: 'text/event-stream' })
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      await until(() => text.includes('event: ready'), 'ready')
      await rig.put('a', 1)
      await until(() => text.includes('data: {"payload":1,"path":"/x"}'), 'the event')
      expect(seen).to.have.length(1)
      expect(seen[0]?.req).to.be.instanceOf(http2.Http2ServerRequest)
      session.destroy()
      await new Promise((resolve) => server.close(resolve))
    })
  })

  describe('is refused at the start', () => {
    const bad: [string, object][] = [
      ['onLoop', { onLoop: 5 }],
      ['onLoop', { onLoop: null }],
      ['poll', { onLoop: () => 1, poll: -1 }],
      ['poll', { onLoop: () => 1, poll: 0 }],
      ['poll', { onLoop: () => 1, poll: '2 days' }],
      ['poll', { onLoop: () => 1, poll: 'soon' }],
      ['poll', { poll: '1s' }],
      ['poll', { poll: '1s', beforeSend: () => 1 }],
    ]
    for (const [name, options] of bad) {
      it(`with ${JSON.stringify(options)}, and ${name} named`, () => {
        const make = [() => createHandler(rig, 'a', options), () => createKoaStream(rig, 'a', options)]
        for (const call of make) {
          expect(call)
            .to.throw(FileSignalError, new RegExp(`^OPTION_INVALID: ${name} is .*; (use|pass) `))
            .with.property('code', 'OPTION_INVALID')
        }
      })
    }
  })
})
