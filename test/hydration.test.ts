import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingMessage } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { FileSignalError } from '../dist/errors.js'
import type { Event } from '../dist/event.js'
import { createHandler, type NodeContext } from '../dist/http/node.js'
import type { StreamOptions } from '../dist/options.js'
import { createRig, memoryStore, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

type Options = StreamOptions<IncomingMessage, NodeContext<IncomingMessage>>

describe('beforeSend', () => {
  let rig: Rig
  let clients: Client[]

  async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
    const client = await stream(url, options)
    clients.push(client)
    return client
  }

  const after = (id: string) => ({ headers: { 'Last-Event-ID': id } })
  const told = (client: Client) =>
    client.messages.filter(({ event }) => event !== 'ready').map(({ event, data }) => [event, data])
  const codes = () => rig.reports.map(({ code }) => code)
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

  describe('decides what is sent', () => {
    const answers: Record<string, unknown> = {
      payload: { fresh: true },
      text: 'hello',
      envelope: { event: 'toast', data: [1] },
      unnamed: { event: null, data: 2 },
      usual: { event: undefined, data: 3 },
      notQuite: { event: 'toast', data: 4, more: true },
      nothing: null,
      neither: undefined,
      zero: 0,
    }
    const expected = [
      ['own', '{"fresh":true}'],
      ['own', '"hello"'],
      ['toast', '[1]'],
      [undefined, '2'],
      ['own', '3'],
      ['own', '{"event":"toast","data":4,"more":true}'],
      ['own', '0'],
    ]

    for (const [how, beforeSend] of Object.entries({
      'at once': ({ payload }: Event) => answers[payload as string],
      'as a promise': async ({ payload }: Event) => answers[payload as string],
    })) {
      it(`${how}: a payload, an envelope, or nothing`, async () => {
        const client = await open(await rig.handle('a', { beforeSend, event: 'default' }))
        for (const name of Object.keys(answers)) await rig.put('a', name, { event: 'own' })
        await arrived(client, expected.length)
        expect(told(client)).to.deep.equal(expected)
        expect(rig.reports).to.deep.equal([])
      })
    }

    it('under the default name of the stream where neither the envelope nor the event has one', async () => {
      const beforeSend = ({ payload }: Event) => payload
      const client = await open(await rig.handle('a', { beforeSend, event: 'default' }))
      await rig.put('a', 1)
      await rig.put('a', { event: null, data: 2 })
      await arrived(client, 2)
      expect(told(client)).to.deep.equal([
        ['default', '1'],
        [undefined, '2'],
      ])
    })

    it('and keeps id, key and time of the event', async () => {
      const client = await open(await rig.handle(['a', 'b'], { beforeSend: () => 'changed' }))
      const id = await rig.put('b', 1)
      await arrived(client, 1)
      const [message] = client.messages.slice(1)
      expect(message).to.include({ id, key: 'b', data: '"changed"' })
      expect(message?.at).to.be.a('number')
    })

    it('from an event of its own: who changes it changes nothing for others', async () => {
      const spoil = (event: Event) => {
        Object.assign(event.payload as object, { spoilt: true })
        return event.payload
      }
      const [spoilt, other, plain] = await Promise.all([
        open(await rig.handle('a', { beforeSend: spoil })),
        open(await rig.handle('a', { beforeSend: (event) => event.payload })),
        open(await rig.handle('a')),
      ])
      const id = await rig.put('a', { n: 1 }, { event: 'own' })
      for (const client of [spoilt, other, plain]) await arrived(client, 1)
      expect(spoilt.payloads()).to.deep.equal([{ n: 1, spoilt: true }])
      expect([other.payloads(), plain.payloads()]).to.deep.equal([[{ n: 1 }], [{ n: 1 }]])
      const seen: Event[] = []
      await open(await rig.handle('a', { beforeSend: (event) => void seen.push(event), replay: 'all' }))
      await until(() => seen.length === 1, 'the hook')
      expect(seen[0]).to.include({ id, key: 'a', event: 'own' })
      expect(seen[0]?.createdAt).to.be.a('number')
    })

    it('with the request and the response it is for', async () => {
      const beforeSend: Options['beforeSend'] = (_, context) => context?.req.headers['x-user']
      const url = await rig.handle('a', { beforeSend, hydrate: 'each' })
      const [ada, ben] = await Promise.all(
        ['ada', 'ben'].map((user) => open(url, { headers: { 'X-User': user } })),
      )
      await rig.put('a', 1)
      for (const client of [ada, ben]) await arrived(client as Client, 1)
      expect([ada?.payloads(), ben?.payloads()]).to.deep.equal([['ada'], ['ben']])
    })
  })

  describe('runs in the AsyncLocalStorage of its own request', () => {
    const users = new AsyncLocalStorage<string>()
    /** As query builders are: it begins when it is awaited. */
    const lazy = (): unknown => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what they have
      then: (done: (user: unknown) => void) => done(users.getStore()),
    })

    for (const [how, beforeSend] of Object.entries({
      'at once': () => users.getStore(),
      'behind an await': async () => {
        await turn()
        return users.getStore()
      },
      'in a query that begins when it is awaited': lazy,
    })) {
      it(`${how}, whoever opened the first stream, and whoever publishes`, async () => {
        const handle = createHandler(rig, 'a', { beforeSend })
        const url = await rig.serve((req, res) => void users.run(req.url ?? '', () => handle(req, res)))
        const all = [await open(`${url}/ada`), await open(`${url}/ben`)]
        await users.run('publisher', () => rig.put('a', 1))
        for (const client of all) await arrived(client, 1)
        expect(all.map((client) => client.payloads()[0])).to.deep.equal(['/ada', '/ben'])
      })
    }
  })

  describe('keeps the order', () => {
    it('calls for one event after another, and sends each as soon as it is there', async () => {
      const gates = [createGate(), createGate()]
      let running = 0
      const beforeSend = async ({ payload }: Event) => {
        running += 1
        expect(running).to.equal(1)
        await gates[payload as number]?.opened
        running -= 1
        return payload
      }
      const client = await open(await rig.handle('a', { beforeSend }))
      await rig.append({ key: 'a', payload: '0' })
      await rig.put('a', 1)
      await until(() => running === 1, 'the first call')
      gates[0]?.open()
      await arrived(client, 1)
      gates[1]?.open()
      await arrived(client, 2)
      expect(client.payloads()).to.deep.equal([0, 1])
    })

    it('of what is missed and what comes, each once, over several keys', async () => {
      const beforeSend = async ({ payload }: Event) => {
        await new Promise((resolve) => setImmediate(resolve))
        return payload
      }
      const url = await rig.handle(['a', 'b'], { beforeSend })
      const first = await rig.put('a', -1)
      await rig.append(
        ...Array.from({ length: 600 }, (_, i) => ({ key: i % 2 ? 'a' : 'b', payload: String(i) })),
      )
      const client = await open(url, after(first))
      for (let i = 600; i < 700; i += 1) await rig.put(i % 2 ? 'a' : 'b', i)
      await arrived(client, 700)
      expect(client.payloads()).to.deep.equal(Array.from({ length: 700 }, (_, i) => i))
    })

    it('of a reset and of the end', async () => {
      const gate = createGate()
      await rig.close()
      rig = createRig({ retention: { maxPerKey: 2 } })
      let called = false
      const behind = await open(
        await rig.handle('a', {
          beforeSend: async ({ payload }) => {
            called = true
            if (payload === 0) await gate.opened
            return payload
          },
        }),
      )
      await rig.put('a', 0)
      await until(() => called, 'the hook')
      for (let i = 1; i < 10; i += 1) await rig.append({ key: 'a', payload: String(i) })
      await rig.payload.prune()
      rig.streams.wake('watch')
      await until(() => rig.streams.stats().cursor?.endsWith('-10'), 'the reset, which waits')
      expect(behind.ofType('reset')).to.have.length(0)
      gate.open()
      await until(() => behind.ofType('reset').length === 1, 'the reset')
      await rig.put('a', 10)
      await rig.end('a')
      await until(() => behind.ended, 'the end')
      expect(told(behind).map(([event, data]) => event ?? data)).to.deep.equal(['0', 'reset', '10', '[DONE]'])
    })
  })

  describe('that fails', () => {
    const wrong: Record<string, () => unknown> = {
      throws: () => {
        throw new Error('no such report')
      },
      rejects: () => Promise.reject(new Error('no such report')),
      'rejects with a text': () => Promise.reject('no such report'),
      'gives what is no JSON': () => ({ total: Number.NaN }),
      'gives an envelope around a Promise': () => ({ event: 'toast', data: { total: Promise.resolve(1) } }),
      'gives an envelope without data': () => ({ event: 'toast', data: undefined }),
      'gives a reserved name': () => ({ event: 'reset', data: 1 }),
      'gives a name that is none': () => ({ event: 'a\nb', data: 1 }),
      'gives a name that is no text': () => ({ event: 5, data: 1 }),
      'gives more than 1 MiB': () => 'x'.repeat(1024 * 1024),
      'gives a thenable that throws': () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        get then() {
          throw new Error('no such report')
        },
      }),
    }
    for (const [how, fail] of Object.entries(wrong)) {
      it(`because it ${how} costs that event on that stream, and is reported`, async () => {
        const beforeSend = ({ payload }: Event) => (payload === 2 ? fail() : payload)
        const client = await open(await rig.handle('a', { beforeSend }))
        const neighbour = await open(await rig.handle('a'))
        const ids: string[] = []
        for (const value of [1, 2, 3]) ids.push(await rig.put('a', value))
        for (const one of [client, neighbour]) await until(() => one.payloads().includes(3), 'the last one')
        expect(client.payloads()).to.deep.equal([1, 3])
        expect(neighbour.payloads()).to.deep.equal([1, 2, 3])
        expect(codes()).to.deep.equal(['HOOK_FAILED'])
        expect(rig.reports[0]?.message).to.include(`beforeSend failed at event ${ids[1]} of key "a"`)
        expect(rig.reports[0]?.cause).not.to.equal(undefined)
      })
    }

    for (const [advice, given] of [
      ['payload.total is a Promise; await it first.', { total: Promise.resolve(1) }],
      ['the limit is 1048576; send an id and let the browser fetch the rest.', 'x'.repeat(1024 * 1024)],
      [
        'is NaN; pass a value that JSON.stringify keeps whole, null where there is nothing to say.',
        Number.NaN,
      ],
    ] as const) {
      it(`is advised of what can be done there: ${advice}`, async () => {
        await open(await rig.handle('a', { beforeSend: () => given }))
        await rig.put('a', 1)
        await until(() => rig.reports.length > 0, 'the report')
        expect(rig.reports[0]?.message).to.include(`${advice})`)
      })
    }

    it('again and again is reported one by one ten times, and then once a second, with the number', async () => {
      const fail = (name: string) => () => {
        throw new Error(`${name} is away`)
      }
      const urls = [
        await rig.handle(['a', 'b'], { beforeSend: fail('database') }),
        await rig.handle('b', { beforeSend: fail('disk') }),
      ]
      for (const url of urls) for (let i = 0; i < 3; i += 1) await open(url)
      const rows = Array.from({ length: 1003 }, (_, i) => ({ key: i < 1000 ? 'a' : 'b', payload: '1' }))
      await rig.append(...rows)
      rig.streams.wake('watch')
      const of = (what: string) => rig.reports.filter(({ message }) => message.includes(what))
      await until(() => of('within a second').length > 0, 'the sum')
      const [sum] = of('within a second')
      expect([of('(database is away)').length, of('(disk is away)').length]).to.deep.equal([10, 9])
      expect(sum?.message).to.match(
        /^HOOK_FAILED: beforeSend failed 2,999 more times within a second; read the cause/,
      )
      expect(sum?.cause).to.be.instanceOf(FileSignalError).with.property('code', 'HOOK_FAILED')
    })

    it('is told of before the instance has closed, however often it was', async () => {
      const onLoop = () => Promise.reject(new Error('no database'))
      const url = await rig.handle('a', { onLoop, poll: '1m' })
      for (let i = 0; i < 12; i += 1) await open(url)
      await until(() => rig.reports.length === 10, 'ten reports')
      await rig.streams.close()
      expect(rig.reports).to.have.length(11)
      expect(rig.reports[10]?.message).to.include('onLoop failed 2 more times within a second')
    })

    it('to answer in time is reported, and its answer ignored; the stream goes on and heartbeats do', async () => {
      const gate = createGate()
      const signals: AbortSignal[] = []
      const beforeSend: Options['beforeSend'] = async ({ payload }: Event, _: unknown, { signal }) => {
        signals.push(signal)
        if (payload === 1) await gate.opened
        return payload
      }
      const client = await open(await rig.handle('a', { beforeSend, hookTimeout: 300, heartbeat: 50 }))
      const beats = client.comments.length
      const id = await rig.put('a', 1)
      await rig.put('a', 2)
      await until(() => client.comments.length >= beats + 3, 'heartbeats')
      expect(client.payloads()).to.deep.equal([])
      await arrived(client, 1)
      expect(codes()).to.deep.equal(['HOOK_TIMEOUT'])
      expect(rig.reports[0]?.message).to.include(`took longer than 300 ms at event ${id} of key "a"`)
      expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, false])
      gate.open()
      await rig.put('a', 3)
      await arrived(client, 2)
      expect(client.payloads()).to.deep.equal([2, 3])
    })
  })

  describe('costs no more than a slow client', () => {
    it('where it is slow: the stream falls behind, holds a page, and loses nothing', async () => {
      const gate = createGate()
      let calls = 0
      const beforeSend = async ({ payload }: Event) => {
        calls += 1
        await gate.opened
        return payload
      }
      const client = await open(await rig.handle('a', { beforeSend }))
      const neighbour = await open(await rig.handle('a'))
      for (let i = 0; i < 1000; i += 1) await rig.put('a', i)
      await arrived(neighbour, 1000)
      await rig.put('a', 1000)
      await arrived(neighbour, 1001)
      expect(rig.streams.stats()).to.include({ live: 1, behind: 1 })
      expect(calls).to.equal(1)
      gate.open()
      await arrived(client, 1001)
      expect(client.payloads()).to.deep.equal(Array.from({ length: 1001 }, (_, i) => i))
      await until(() => rig.streams.stats().live === 2, 'both live')
    })

    for (const [how, answer] of Object.entries({
      'at once': (payload: unknown) => payload,
      'with promises that are kept': async (payload: unknown) => payload,
    })) {
      it(`where it has much to do and answers ${how}: others have their turn between two events`, async () => {
        let calls = 0
        const beforeSend = ({ payload }: Event) => {
          calls += 1
          const until = performance.now() + 1
          while (performance.now() < until);
          return answer(payload)
        }
        const [busy, other] = [
          await open(await rig.handle('a', { beforeSend })),
          await open(await rig.handle('b')),
        ]
        const many = Array.from({ length: 300 }, (_, i) => ({ key: 'a', payload: String(i) }))
        await rig.append(...many)
        await rig.put('a', 300)
        await until(() => calls > 0, 'the hook')
        await rig.put('b', 1)
        await arrived(other, 1)
        expect(calls).to.be.below(301)
        await arrived(busy, 301)
        expect(busy.payloads()).to.deep.equal(Array.from({ length: 301 }, (_, i) => i))
      })
    }

    it('where it has much to do on many streams: they share what was read, and each gets all of it', async () => {
      const { read } = rig.payload
      let reads = 0
      const beforeSend = ({ payload }: Event) => {
        const until = performance.now() + 0.02
        while (performance.now() < until);
        return payload
      }
      const url = await rig.handle('a', { beforeSend })
      const all = await Promise.all(Array.from({ length: 20 }, () => open(url)))
      await until(() => rig.streams.stats().live === 20, 'live streams')
      rig.payload.read = (query) => {
        reads += 1
        return read(query)
      }
      await rig.append(...Array.from({ length: 2000 }, (_, i) => ({ key: 'a', payload: String(i) })))
      rig.streams.wake('watch')
      for (const client of all) await arrived(client, 2000)
      const expected = Array.from({ length: 2000 }, (_, i) => i)
      for (const client of all) expect(client.payloads()).to.deep.equal(expected)
      // Behind, each of them would read for itself.
      expect(reads).to.be.below(10)
    })

    it('where the client does not read: it is not called meanwhile', async () => {
      let calls = 0
      const beforeSend = async ({ payload }: Event) => {
        calls += 1
        return { payload, text: 'x'.repeat(100_000) }
      }
      const client = await open(await rig.handle('a', { beforeSend }))
      client.pause()
      for (let i = 0; i < 500; i += 1) await rig.put('a', i)
      let before = -1
      await until(() => {
        const still = calls === before
        before = calls
        return still && calls > 0
      }, 'no further calls')
      expect(calls).to.be.below(200)
      client.resume()
      // Not by their payloads, 50 MB of them, which would be parsed anew at each look.
      await until(() => client.messages.length > 500, '500 events and ready', 25_000)
      await arrived(client, 500)
      expect(calls).to.equal(500)
    })

    it('where the client leaves: its signal is aborted, and it is called no more', async () => {
      const gate = createGate()
      const signals: AbortSignal[] = []
      const url = await rig.handle('a', {
        beforeSend: async (_, __, { signal }) => {
          signals.push(signal)
          await gate.opened
          throw new Error('nobody is told of this')
        },
      })
      const client = await open(url)
      for (const value of [1, 2, 3]) await rig.put('a', value)
      await until(() => signals.length === 1, 'the first call')
      client.close()
      await until(() => rig.streams.stats().streams === 0, 'nobody')
      expect(signals[0]?.aborted).to.equal(true)
      gate.open()
      await open(await rig.handle('a', { replay: 'last' }))
      expect(signals).to.have.length(1)
      expect(rig.reports).to.deep.equal([])
    })

    it('where the instance closes: it is not waited for', async () => {
      const client = await open(await rig.handle('a', { beforeSend: () => new Promise(() => {}) }))
      await rig.put('a', 1)
      await until(() => rig.streams.stats().streams === 1, 'the stream')
      await rig.streams.close()
      await until(() => client.ended, 'the end')
      expect(client.payloads()).to.deep.equal([])
    })
  })

  describe('that drops events', () => {
    const even = ({ payload }: Event) => ((payload as number) % 2 ? null : payload)

    it('moves the client past them, once for many', async () => {
      let calls = 0
      const url = await rig.handle('a', {
        beforeSend: (event) => {
          calls += 1
          return even(event)
        },
      })
      const text = await openRaw(url)
      const first = await rig.put('a', 0)
      let last = ''
      for (let i = 0; i < 50; i += 1) last = await rig.put('a', 1)
      await until(() => text().endsWith(`id: ${last}\n\n`), 'the mark')
      expect(
        text()
          .split('\n\n')
          .filter((block) => /^id: \S+$/.test(block)).length,
      ).to.be.within(1, 3)
      expect(text()).to.include(`id: ${first}\nat: `)
      expect(calls).to.equal(51)
      const back = await open(url, after(last))
      await rig.put('a', 2)
      await arrived(back, 1)
      expect(back.payloads()).to.deep.equal([2])
      // Two streams stand after the mark: neither asked again for what was dropped.
      expect(calls).to.equal(53)
    })

    it('tells nothing of them where an event follows', async () => {
      let ended = false
      const onEnd = () => {
        ended = true
      }
      const text = await openRaw(await rig.handle('a', { beforeSend: even }), onEnd)
      await rig.append({ key: 'a', payload: '1' }, { key: 'a', payload: '3' })
      const id = await rig.put('a', 4)
      await until(() => text().includes(`id: ${id}\n`), 'the event')
      await rig.streams.close()
      await until(() => ended, 'the end')
      expect(text()).not.to.match(/(^|\n\n)id: \S+\n\n/)
    })

    for (const what of ['event', 'reset'] as const) {
      it(`tells nothing of them behind the ${what} that came next`, async () => {
        let ended = false
        let calls = 0
        const beforeSend = (event: Event) => {
          calls += 1
          return even(event)
        }
        const onEnd = () => {
          ended = true
        }
        const text = await openRaw(await rig.handle('a', { beforeSend }), onEnd)
        const id = await rig.put('a', 1)
        await until(() => calls === 1, 'the hook')
        if (what === 'event') await rig.put('a', 2)
        else {
          rig.payload = memoryStore()
          rig.streams.wake('watch')
        }
        await until(() => text().includes(what === 'event' ? 'data: 2' : 'event: reset'), what)
        await rig.streams.close()
        await until(() => ended, 'the end')
        expect(text()).not.to.include(`\n\nid: ${id}\n\n`)
      })
    }

    it('ends with [DONE] where the key ends behind them', async () => {
      let ended = false
      const onEnd = () => {
        ended = true
      }
      const text = await openRaw(await rig.handle('a', { beforeSend: even }), onEnd)
      await rig.append({ key: 'a', payload: '1' })
      const id = await rig.end('a')
      await until(() => ended, 'the end')
      expect(text().endsWith(`\n\nid: ${id}\ndata: [DONE]\n\n`)).to.equal(true)
    })

    it('moves it before the stream ends, too', async () => {
      let calls = 0
      const beforeSend = () => {
        calls += 1
      }
      const text = await openRaw(await rig.handle('a', { beforeSend }))
      const id = await rig.put('a', 1)
      await until(() => calls === 1, 'the hook')
      await rig.streams.close()
      await until(() => text().endsWith(`id: ${id}\n\n`), 'the mark')
    })
  })

  describe('of short responses', () => {
    async function ask(url: string, id: string | null): Promise<Client> {
      const client = await connect(`${url}?mode=short${id === null ? '' : `&lastEventId=${id}`}`)
      clients.push(client)
      await until(() => client.ended, 'the end of the answer')
      return client
    }

    it('collects what it makes within a moment into one answer', async () => {
      const first = await rig.put('a', 0)
      for (const value of [1, 2, 3]) await rig.put('a', value)
      const beforeSend = async ({ payload }: Event) => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        return payload === 2 ? null : payload
      }
      const answer = await ask(await rig.handle('a', { beforeSend }), first)
      expect(answer.payloads()).to.deep.equal([1, 3])
    })

    it('does not keep back what is ready for what takes its time', async () => {
      const first = await rig.put('a', 0)
      for (const value of [1, 2]) await rig.put('a', value)
      const beforeSend = ({ payload }: Event) => (payload === 2 ? new Promise(() => {}) : payload)
      const answer = await ask(
        await rig.handle('a', { beforeSend, hookTimeout: '1m', heartbeat: '1h' }),
        first,
      )
      expect(answer.payloads()).to.deep.equal([1])
    })

    it('goes on after what it dropped behind what it sent', async () => {
      const first = await rig.put('a', 0)
      await rig.put('a', 1)
      const last = await rig.put('a', 2)
      const beforeSend = async ({ payload }: Event) => (payload === 2 ? null : payload)
      const text = await openRaw(`${await rig.handle('a', { beforeSend })}?mode=short&lastEventId=${first}`)
      await until(() => text().endsWith(`data: 1\n\nid: ${last}\n\n`), 'the answer')
    })

    it('goes on after what it dropped, which is no news and does not end the waiting', async () => {
      const first = await rig.put('a', 0)
      const last = await rig.put('a', 1)
      const url = await rig.handle('a', { beforeSend: () => null, heartbeat: 800 })
      const began = performance.now()
      const text = await openRaw(`${url}?mode=short&lastEventId=${first}`)
      await until(() => text().endsWith(`id: ${last}\n\n`), 'the answer')
      expect(performance.now() - began).to.be.at.least(635)
    })
  })

  describe('is refused at the start', () => {
    const bad: [string, object][] = [
      ['beforeSend', { beforeSend: 'hydrate' }],
      ['beforeSend', { beforeSend: null }],
      ['hydrate', { beforeSend: () => 1, hydrate: 'twice' }],
      ['hydrate', { hydrate: 'once' }],
      ['hookTimeout', { beforeSend: () => 1, hookTimeout: -1 }],
      ['hookTimeout', { beforeSend: () => 1, hookTimeout: '2h' }],
      ['hookTimeout', { beforeSend: () => 1, hookTimeout: Number.NaN }],
      ['hookTimeout', { hookTimeout: '1s' }],
    ]
    for (const [name, options] of bad) {
      it(`with ${JSON.stringify(options)}, and ${name} named`, async () => {
        expect(() => rig.handle('a', options as Options))
          .to.throw(FileSignalError, new RegExp(`^OPTION_INVALID: ${name} is `))
          .with.property('code', 'OPTION_INVALID')
      })
    }
  })

  /** The text of a response so far, with what parsers keep to themselves. */
  async function openRaw(url: string, onEnd = () => {}): Promise<() => string> {
    const leaving = new AbortController()
    const response = await fetch(url, { signal: leaving.signal })
    clients.push({ close: () => leaving.abort() } as Client)
    let text = ''
    const read = async () => {
      for await (const chunk of response.body ?? []) text += Buffer.from(chunk as Uint8Array).toString()
    }
    read().then(onEnd, () => {})
    return () => text
  }
})

function createGate(): { opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
