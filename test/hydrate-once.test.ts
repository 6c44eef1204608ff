import { AsyncLocalStorage } from 'node:async_hooks'
import net from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import Koa from 'koa'
import type { Event } from '../dist/event.js'
import type { HookTools } from '../dist/hook-options.js'
import { createKoaStream } from '../dist/http/koa.js'
import { createHandler } from '../dist/http/node.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, stream } from './support/sse.js'
import { until } from './support/wait.js'

const STREAMS = 1000

describe("hydrate: 'once'", () => {
  let rig: Rig
  let clients: Pick<Client, 'close'>[]

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const arrived = (client: Client, count: number) =>
    until(() => client.payloads().length === count, `${count} events`)

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
  })

  it(`makes one call an event for ${STREAMS} streams, and each gets every event once, in order`, async function () {
    this.timeout(20_000)
    const calls: unknown[] = []
    const beforeSend = async ({ payload }: Event) => {
      calls.push(payload)
      await new Promise((resolve) => setImmediate(resolve))
      return { report: payload }
    }
    const url = await rig.handle('a', { beforeSend, hydrate: 'once' })
    const texts = await Promise.all(Array.from({ length: STREAMS }, () => openSocket(url)))
    await until(() => rig.streams.stats().live === STREAMS, 'live streams', 15_000)
    for (let i = 0; i < 50; i += 1) await rig.put('a', i)
    const whole = Array.from({ length: 50 }, (_, i) => `data: {"report":${i}}`)
    await until(() => texts.every((text) => text().includes(whole[49] ?? '')), 'all events', 15_000)
    expect(calls).to.deep.equal(Array.from({ length: 50 }, (_, i) => i))
    for (const text of texts) expect(text().match(/data: \{"report":\d+\}/g)).to.deep.equal(whole)
  })

  it('is shared by function, also where each request makes its own middleware', async () => {
    let calls = 0
    const beforeSend = async ({ payload }: Event) => {
      calls += 1
      return payload
    }
    const app = new Koa()
    app.use((ctx, next) => createKoaStream(rig, 'a', { beforeSend, hydrate: 'once' })(ctx, next))
    const url = await rig.serve(app.callback())
    const [one, two] = [await open(url), await open(url)]
    await rig.put('a', 1)
    for (const client of [one, two]) await arrived(client, 1)
    expect(calls).to.equal(1)
  })

  it('is shared by streams of other keys and names, each with its own frame', async () => {
    let calls = 0
    const beforeSend = ({ payload }: Event) => {
      calls += 1
      return payload
    }
    const plain = await open(await rig.handle('a', { beforeSend, hydrate: 'once' }))
    const keyed = await open(await rig.handle(['a', 'b'], { beforeSend, hydrate: 'once', event: 'update' }))
    const id = await rig.put('a', 1)
    for (const client of [plain, keyed]) await arrived(client, 1)
    expect(plain.messages.at(-1)).to.include({ id, event: undefined, key: undefined })
    expect(keyed.messages.at(-1)).to.include({ id, event: 'update', key: 'a' })
    expect(calls).to.equal(1)
  })

  it('joins what is answered at once, for streams of different keys too', async () => {
    const beforeSend = ({ payload }: Event) => payload
    const one = await open(await rig.handle(['a', 'b'], { beforeSend, hydrate: 'once' }))
    const two = await open(await rig.handle(['a', 'c'], { beforeSend, hydrate: 'once' }))
    await rig.append({ key: 'a', payload: '1' }, { key: 'b', payload: '2' }, { key: 'c', payload: '3' })
    await rig.put('a', 4)
    for (const client of [one, two]) await arrived(client, 3)
    expect([one.payloads(), two.payloads()]).to.deep.equal([
      [1, 2, 4],
      [1, 3, 4],
    ])
  })

  it('gives no request to the hook', async () => {
    const seen: unknown[] = []
    const client = await open(
      await rig.handle('a', {
        hydrate: 'once',
        beforeSend: ({ payload }, context) => {
          // What types say as well: there is nothing but null.
          const none: null = context
          seen.push(none)
          return payload
        },
      }),
    )
    await rig.put('a', 1)
    await arrived(client, 1)
    expect(seen).to.deep.equal([null])
  })

  it('shows the hook nobody’s AsyncLocalStorage, also where each request makes its own middleware', async () => {
    const users = new AsyncLocalStorage<string>()
    const beforeSend = async () => ({ user: users.getStore() ?? 'nobody' })
    const url = await rig.serve((req, res) => {
      users.run(req.url ?? '', () => void createHandler(rig, 'a', { beforeSend, hydrate: 'once' })(req, res))
    })
    const all = [await open(`${url}/ada`), await open(`${url}/ben`)]
    await users.run('publisher', () => rig.put('a', 1))
    for (const client of all) await arrived(client, 1)
    expect(all.map((client) => client.payloads()[0])).to.deep.equal([{ user: 'nobody' }, { user: 'nobody' }])
  })

  it('reports a failure once, and costs all of them that event', async () => {
    const beforeSend = async ({ payload }: Event) => {
      if (payload === 1) throw new Error('no such report')
      return payload
    }
    const url = await rig.handle('a', { beforeSend, hydrate: 'once' })
    const all = await Promise.all(Array.from({ length: 20 }, () => open(url)))
    for (const value of [1, 2]) await rig.put('a', value)
    for (const client of all) await arrived(client, 1)
    expect(all.map((client) => client.payloads())).to.deep.equal(all.map(() => [2]))
    expect(rig.reports.map(({ code }) => code)).to.deep.equal(['HOOK_FAILED'])
  })

  it('reports a hanging call once, and goes on', async () => {
    const beforeSend = ({ payload }: Event) => (payload === 1 ? new Promise(() => {}) : payload)
    const url = await rig.handle('a', { beforeSend, hydrate: 'once', hookTimeout: 50 })
    const all = await Promise.all(Array.from({ length: 20 }, () => open(url)))
    for (const value of [1, 2]) await rig.put('a', value)
    for (const client of all) await arrived(client, 1)
    expect(rig.reports.map(({ code }) => code)).to.deep.equal(['HOOK_TIMEOUT'])
  })

  it('goes on for the others when one of them leaves, and ends its call when the last one has left', async () => {
    const signals: AbortSignal[] = []
    const url = await rig.handle('a', {
      hydrate: 'once',
      beforeSend: (_, __, { signal }) => {
        signals.push(signal)
        return new Promise(() => {})
      },
    })
    const [one, two] = [await open(url), await open(url)]
    await rig.put('a', 1)
    await until(() => signals.length === 1, 'the call')
    for (const [client, left] of [
      [one, 1],
      [two, 0],
    ] as const) {
      client.close()
      await until(() => rig.streams.stats().streams === left, 'the leave')
      expect(signals.map(({ aborted }) => aborted)).to.deep.equal([left === 0])
    }
    expect(rig.reports).to.deep.equal([])
  })

  it('asks for sixteen events at a time, sends them in order, and ends all of it when the last one has left', async () => {
    const answers: ((answer: unknown) => void)[] = []
    const signals: AbortSignal[] = []
    const url = await rig.handle('a', {
      hydrate: 'once',
      beforeSend: ({ payload }, _, { signal }) => {
        expect(payload).to.equal(answers.length)
        signals.push(signal)
        return new Promise((resolve) => {
          answers.push(resolve)
        })
      },
    })
    const [one, two] = [await open(url), await open(url)]
    await rig.append(...Array.from({ length: 40 }, (_, i) => ({ key: 'a', payload: String(i) })))
    await rig.put('a', 40)
    await until(() => answers.length === 16, 'sixteen calls')
    for (const i of [2, 1, 15]) answers[i]?.(`fresh ${i}`)
    await turn()
    expect([answers.length, one.payloads(), two.payloads()]).to.deep.equal([16, [], []])
    answers[0]?.('fresh 0')
    for (const client of [one, two]) {
      await arrived(client, 3)
      expect(client.payloads()).to.deep.equal(['fresh 0', 'fresh 1', 'fresh 2'])
    }
    expect(answers).to.have.length(19)
    one.close()
    await until(() => rig.streams.stats().streams === 1, 'the leave')
    expect(signals.some(({ aborted }) => aborted)).to.equal(false)
    two.close()
    await until(() => rig.streams.stats().streams === 0, 'the other leave')
    const answered = [0, 1, 2, 15]
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal(signals.map((_, i) => !answered.includes(i)))
    expect([answers.length, rig.reports]).to.deep.equal([19, []])
  })

  it('gives each of the calls that it asks ahead its own time', async () => {
    const beforeSend = ({ payload }: Event) => (payload === 3 ? sleep(20, 3) : new Promise(() => {}))
    const client = await open(await rig.handle('a', { beforeSend, hydrate: 'once', hookTimeout: 400 }))
    const began = performance.now()
    await rig.append(...[0, 1, 2].map((i) => ({ key: 'a', payload: String(i) })))
    await rig.put('a', 3)
    await arrived(client, 1)
    // One after another they would take three times this.
    expect(performance.now() - began).to.be.within(390, 1000)
    expect(rig.reports.map(({ code }) => code)).to.deep.equal(Array(3).fill('HOOK_TIMEOUT'))
  })

  for (const hydrate of ['each', 'once'] as const) {
    it(`and clients that leave at any moment leave nothing behind, hydrate: '${hydrate}'`, async () => {
      let running = 0
      const beforeSend = async ({ payload }: Event, _: unknown, { signal }: HookTools) => {
        running += 1
        await sleep(Math.random() * 20, undefined, { signal }).catch(() => {})
        running -= 1
        return (payload as number) % 3 ? payload : null
      }
      const url = await rig.handle('a', { beforeSend, hydrate, onLoop: () => sleep(5), poll: 20 })
      const steady = await open(url)
      for (let i = 1; i <= 60; i += 1) {
        const passer = await open(url)
        void sleep(Math.random() * 30).then(() => passer.close())
        await rig.put('a', i)
      }
      await arrived(steady, 40)
      expect(steady.payloads()).to.deep.equal(
        Array.from({ length: 60 }, (_, i) => i + 1).filter((n) => n % 3),
      )
      await until(() => rig.streams.stats().streams === 1, 'one stream')
      steady.close()
      await until(() => rig.streams.stats().streams === 0 && running === 0, 'nobody, and no call')
      expect(rig.reports).to.deep.equal([])
    })
  }

  it('asks afresh for a replay that comes later', async () => {
    let version = 1
    const url = await rig.handle('a', { beforeSend: () => ({ version }), hydrate: 'once', replay: 'all' })
    await rig.put('a', 1)
    const first = await open(url)
    await arrived(first, 1)
    version = 2
    const soon = await open(url)
    await arrived(soon, 1)
    await until(
      async () => {
        const later = await open(url)
        await arrived(later, 1)
        later.close()
        return (later.payloads()[0] as { version: number }).version === 2
      },
      'the fresh row',
      4000,
    )
    expect([first.payloads(), soon.payloads()]).to.deep.equal([[{ version: 1 }], [{ version: 1 }]])
  })

  it('remembers a bounded number of answers', async () => {
    let calls = 0
    const beforeSend = ({ payload }: Event) => {
      calls += 1
      return { payload, text: 'x'.repeat(10_000) }
    }
    const url = await rig.handle('a', { beforeSend, hydrate: 'once', replay: 'all' })
    await rig.append(...Array.from({ length: 1500 }, (_, i) => ({ key: 'a', payload: String(i) })))
    const one = await open(url)
    await arrived(one, 1500)
    expect(calls).to.equal(1500)
    const two = await open(url)
    await arrived(two, 1500)
    // 8 MiB of 15: who replays from the start finds the oldest forgotten, and pushes out the others as it goes.
    expect(calls).to.be.above(2000)
  })

  /** A client that looks at nothing, on a socket of its own. */
  async function openSocket(url: string): Promise<() => string> {
    const { hostname, port } = new URL(url)
    const socket = net.connect(Number(port), hostname)
    clients.push({ close: () => void socket.destroy() })
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    await until(() => text.includes('event: ready'), 'ready', 15_000)
    return () => text
  }
})
