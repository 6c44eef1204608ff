import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { FileSignalError } from '../dist/errors.js'
import type { Event } from '../dist/event.js'
import type { PayloadEngine } from '../dist/payload/engine.js'
import type { Subscriber } from '../dist/stream/subscribe.js'
import { createRig, memoryStore, type Rig } from './support/rig.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

/** A store whose answers take a while, before and after it has looked: like one behind a network. */
function slowly(store: PayloadEngine, ms: number): PayloadEngine {
  async function late<T>(ask: () => Promise<T>): Promise<T> {
    await sleep(Math.random() * ms)
    const answer = await ask()
    await sleep(Math.random() * ms)
    return answer
  }
  return {
    ...store,
    commitsOnCall: false,
    head: () => late(() => store.head()),
    read: (request) => late(() => store.read(request)),
    ended: (keys, n) => late(() => store.ended(keys, n)),
    before: (keys, count) => late(() => store.before(keys, count)),
  }
}

/** Takes events into a list until the subscriber finishes; resolves with what it threw, if it did. */
function collect(subscriber: Subscriber, into: Event[]): Promise<unknown> {
  return (async () => {
    try {
      for await (const event of subscriber) into.push(event)
      return null
    } catch (error) {
      return error
    }
  })()
}

describe('streams', () => {
  let rig: Rig
  let clients: Client[]

  function use(options: Parameters<typeof createRig>[0] = {}): Rig {
    rig = createRig(options)
    return rig
  }

  async function open(url: string, lastEventId?: string): Promise<Client> {
    const client = await stream(
      url,
      lastEventId === undefined ? {} : { headers: { 'Last-Event-ID': lastEventId } },
    )
    clients.push(client)
    return client
  }

  const reasons = (client: Client) => client.ofType('reset').map(({ data }) => JSON.parse(data).reason)
  const readyId = (client: Client) => client.ofType('ready')[0]?.id
  const number = (id: string | undefined) => Number(id?.split('-')[1])

  beforeEach(() => {
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
  })

  describe('without a cursor', () => {
    for (const [replay, expected, ready] of [
      ['none', [], 4],
      ['last', [3], 3],
      [2, [2, 3], 2],
      [99, [1, 2, 3], 0],
      ['all', [1, 2, 3], 0],
    ] as const) {
      it(`replay ${replay} brings ${expected.length} of 3 events, then what comes`, async () => {
        use()
        await rig.put('a', 1)
        await rig.append({ key: 'a', payload: '2' }, { key: 'other' })
        await rig.append({ key: 'a', payload: '3' })
        const url = await rig.handle('a', { replay })
        const client = await open(url)
        const n = replay === 'none' ? 4 : replay === 'last' ? 3 : replay === 2 ? 1 : ready
        expect(number(readyId(client))).to.equal(n)
        await rig.put('a', 'live')
        await until(() => client.payloads().includes('live'), 'the live event')
        expect(client.payloads()).to.deep.equal([...expected, 'live'])
        expect(reasons(client)).to.deep.equal([])
      })
    }

    it('stands at the head where nothing of its keys is there to replay', async () => {
      use()
      await rig.put('other', 1)
      const client = await open(await rig.handle('a', { replay: 'all' }))
      expect(number(readyId(client))).to.equal(1)
    })

    it('has lost nothing by what was pruned before it came', async () => {
      use({ retention: { maxPerKey: 2 } })
      for (let i = 1; i <= 5; i += 1) await rig.put('a', i)
      await rig.put('b', 'b')
      for (let i = 1; i <= 4; i += 1) await rig.put('c', i)
      await rig.payload.prune()
      const client = await open(await rig.handle(['a', 'b', 'c'], { replay: 'all' }))
      await until(() => client.payloads().length === 5, 'what is left')
      expect(client.payloads()).to.deep.equal([4, 5, 'b', 3, 4])
      expect(number(readyId(client))).to.equal(3)
      expect(reasons(client)).to.deep.equal([])
      const again = await open(await rig.handle('a', { replay: 'all' }), readyId(client))
      await until(() => again.payloads().length === 2, 'the same events')
      expect(reasons(again)).to.deep.equal([])
    })

    it('loses nothing in an outage before its first event', async () => {
      use()
      await rig.put('a', 'before')
      const url = await rig.handle('a')
      const client = await open(url)
      client.close()
      await rig.put('a', 'meanwhile')
      const again = await open(url, readyId(client))
      await until(() => again.payloads().length === 1, 'the event')
      expect(again.payloads()).to.deep.equal(['meanwhile'])
    })
  })

  describe('with several keys', () => {
    it('tell the key of each event, in one order under one cursor', async () => {
      use()
      const url = await rig.handle(['a', 'b', 'a'], { event: 'tick' })
      const client = await open(url)
      await rig.put('b', 1)
      await rig.put('a', 2, { event: 'named' })
      await rig.put('c', 3)
      await rig.put('b', 4)
      await until(() => client.payloads().length === 3, 'three events')
      const events = client.messages.filter(({ event }) => event !== 'ready')
      expect(events.map(({ key, event, data }) => [key, event, data])).to.deep.equal([
        ['b', 'tick', '1'],
        ['a', 'named', '2'],
        ['b', 'tick', '4'],
      ])
      const again = await open(url, events[0]?.id)
      await until(() => again.payloads().length === 2, 'the two after the first')
      expect(again.payloads()).to.deep.equal([2, 4])
    })

    it('share one encoded text per set of keys, whatever their order', async () => {
      use()
      const sent: unknown[] = []
      const { createHandler } = await import('../dist/http/node.js')
      const handlers = [createHandler(rig, ['a', 'b']), createHandler(rig, ['b', 'a'])]
      const url = await rig.serve((req, res) => {
        const { write } = res
        res.write = (chunk: Buffer | string) => {
          if (Buffer.isBuffer(chunk)) sent.push(chunk)
          return write.call(res, chunk, 'utf8')
        }
        void handlers[req.url === '/1' ? 1 : 0]?.(req, res)
      })
      const all = await Promise.all([open(url), open(`${url}/1`), open(url)])
      await until(() => rig.streams.stats().live === 3, 'live streams')
      await Promise.all([rig.put('a', 1), rig.put('b', 2)])
      await until(() => all.every((client) => client.payloads().length === 2), 'the events')
      expect(sent.length).to.equal(3)
      expect(new Set(sent).size).to.equal(1)
      sent.length = 0
      await rig.append({ key: 'a' }, { key: 'a', kind: 'end' }, { key: 'b', kind: 'end' })
      rig.streams.wake('local')
      await until(() => all.every((client) => client.isDone()), 'the end')
      expect(new Set(sent).size).to.equal(1)
    })
  })

  describe('of a key that ends', () => {
    it('get [DONE] with the id of the end, and close', async () => {
      use()
      const client = await open(await rig.handle('a', { event: 'tick' }))
      await rig.put('a', 1)
      const id = await rig.end('a')
      await until(() => client.ended, 'the end')
      expect(client.payloads()).to.deep.equal([1])
      expect(client.messages.at(-1)).to.include({ id, event: undefined, data: '[DONE]' })
    })

    it('close at the end also where events of the same wake-up follow it, which the reconnect gets', async () => {
      use()
      const url = await rig.handle('a')
      const client = await open(url)
      await until(() => rig.streams.stats().live === 1, 'live')
      await rig.append({ key: 'a', payload: '1' }, { key: 'a', kind: 'end' }, { key: 'a', payload: '2' })
      rig.streams.wake('local')
      await until(() => client.ended, 'the end')
      expect(client.payloads()).to.deep.equal([1])
      expect(client.isDone()).to.equal(true)
      const again = await open(url, client.lastId())
      await until(() => again.payloads().length === 1, 'the event after the end')
      expect(again.payloads()).to.deep.equal([2])
      expect(again.ended).to.equal(false)
    })

    it('with several keys close when all have ended; a new event opens a key again', async () => {
      use()
      const client = await open(await rig.handle(['a', 'b']))
      await rig.end('a')
      await rig.put('b', 1)
      await rig.put('a', 2)
      await rig.end('b')
      await rig.put('b', 3)
      await rig.end('b')
      await rig.put('a', 4)
      await until(() => client.payloads().length === 4, 'four events')
      expect(client.payloads()).to.deep.equal([1, 2, 3, 4])
      const id = await rig.end('a')
      await until(() => client.ended, 'the end')
      expect(client.messages.at(-1)).to.include({ id, data: '[DONE]' })
      expect(client.messages.filter(({ data }) => data === '[DONE]').length).to.equal(1)
    })

    it('know at connect which of their keys have ended', async () => {
      use()
      await rig.put('a', 1)
      await rig.end('a')
      const cursor = await rig.put('b', 2)
      const url = await rig.handle(['a', 'b'])
      const fresh = await open(url)
      const back = await open(url, cursor)
      await rig.end('b')
      await until(() => fresh.ended && back.ended, 'both ends')
      expect(fresh.isDone() && back.isDone()).to.equal(true)
    })

    it('are told in-band when they come too late, however they come', async () => {
      use()
      await rig.put('a', 1)
      const id = await rig.end('a')
      await rig.put('other', 1)
      for (const [replay, events] of [
        ['none', []],
        ['all', [1]],
      ] as const) {
        const client = await open(await rig.handle('a', { replay }))
        await until(() => client.ended, 'the end')
        expect(client.status).to.equal(200)
        expect(client.payloads()).to.deep.equal(events)
        expect(client.messages.at(-1)).to.include({ id, data: '[DONE]' })
      }
      const lost = await open(await rig.handle('a'), 'nonsense')
      await until(() => lost.ended, 'the end')
      expect(lost.messages.map(({ event, data }) => event ?? data)).to.deep.equal([
        'ready',
        'reset',
        '[DONE]',
      ])
    })

    it('are not taken for over where the store gives up looking before it finds what follows', async () => {
      const store = memoryStore()
      use({
        payload: {
          ...store,
          // As SQLite does it with many keys: at most so many rows of any key are looked at for one page.
          read: async (request) => {
            const page = await store.read({ ...request, maxRows: 1000 })
            const to = Math.min(page.from + 10, page.to)
            return { ...page, to, rows: page.rows.filter(({ n }) => n <= to) }
          },
        },
      })
      const id = await rig.end('a')
      await rig.append(...Array.from({ length: 95 }, () => ({ key: 'other' })))
      await rig.put('a', 'again')
      const url = await rig.handle('a', { replay: 'all' })
      for (const cursor of [id, undefined]) {
        const client = await open(url, cursor)
        await until(() => client.payloads().length === 1 || client.ended, 'the event')
        expect(client.payloads()).to.deep.equal(['again'])
      }
    })

    it('learn of an end that was pruned', async () => {
      use({ retention: { maxAge: 20 } })
      await rig.end('a')
      await sleep(30)
      await rig.put('b', 2)
      await rig.payload.prune()
      const client = await open(await rig.handle(['a', 'b'], { replay: 'all' }))
      await rig.end('b')
      await until(() => client.isDone(), 'the end')
      expect(client.payloads()).to.deep.equal([2])
    })
  })

  describe('attach', () => {
    it('exactly once and in order, to a store with slow answers, while publishers do not stop', async () => {
      const store = memoryStore()
      use({ payload: slowly(store, 3), poll: 20 })
      const published: { n: number; key: string }[] = []
      let publishing = true
      const publisher = (async () => {
        while (publishing) {
          const key = `k${Math.floor(Math.random() * 5)}`
          const [n = 0] = await rig.append({ key })
          published.push({ n, key })
          rig.streams.wake('local')
          if (n % 5 === 0) await sleep(1)
        }
      })()
      const runs = Array.from({ length: 40 }, async (_, i) => {
        const keys = [`k${i % 5}`, `k${(i + 1 + (i % 3)) % 5}`]
        await sleep(i * 10)
        const after = await store.head()
        const events: Event[] = []
        const subscriber = rig.streams.subscribe(keys, { after: `${after.epoch}-${after.n}` })
        const over = collect(subscriber, events)
        await sleep(200 + Math.random() * 300)
        await subscriber.return()
        expect(await over).to.equal(null)
        return { keys, from: after.n, seen: events.map(({ id }) => number(id)) }
      })
      const results = await Promise.all(runs)
      publishing = false
      await publisher
      for (const { keys, from, seen } of results) {
        expect(seen.length).to.be.above(10)
        const last = seen.at(-1) ?? 0
        const wanted = published.filter(({ n, key }) => keys.includes(key) && n > from && n <= last)
        expect(seen).to.deep.equal(wanted.map(({ n }) => n))
      }
    })

    it('to a range that was being read without their keys, and read it by themselves', async () => {
      const store = memoryStore()
      let hold: Promise<void> | null = null
      let held = 0
      use({
        payload: {
          ...store,
          read: async (request) => {
            if (hold && request.maxRows === 1000) {
              held += 1
              await hold
            }
            return store.read(request)
          },
        },
      })
      const first = await open(await rig.handle('a'))
      await until(() => rig.streams.stats().live === 1, 'the first live')
      let release = () => {}
      hold = new Promise((resolve) => {
        release = resolve
      })
      rig.streams.wake('local')
      await until(() => held === 1, 'a page under way')
      const late = await open(await rig.handle('b'))
      await until(() => rig.streams.stats().live === 2, 'both live')
      await rig.append({ key: 'a', payload: '1' }, { key: 'b', payload: '2' })
      // The page under way will see both rows' range, but it asks for no key of the late one.
      hold = null
      release()
      await until(() => late.payloads().length === 1 && first.payloads().length === 1, 'both events')
      expect(late.payloads()).to.deep.equal([2])
    })

    it('page by page, with a turn of the loop for others between two pages', async () => {
      const store = memoryStore()
      let turns = 0
      const turnsOfPages: number[] = []
      use({
        payload: {
          ...store,
          read: async (request) => {
            if (request.maxRows === 256) turnsOfPages.push(turns)
            return store.read(request)
          },
        },
      })
      // Frames so small that a page never fills the socket: nothing else makes the stream wait.
      await rig.append(...Array.from({ length: 2000 }, () => ({ key: 'a', payload: '1' })))
      const url = await rig.handle('a', { replay: 'all' })
      let counting = true
      const count = () => {
        turns += 1
        if (counting) setImmediate(count)
      }
      count()
      const client = await open(url)
      await until(() => client.payloads().length === 2000, 'all events')
      counting = false
      expect(turnsOfPages.length).to.equal(8)
      expect(new Set(turnsOfPages).size).to.equal(8)
    })

    it('to nothing: idle streams of other keys are not visited by a page', async () => {
      use()
      const sent: string[] = []
      const { createHandler } = await import('../dist/http/node.js')
      const url = await rig.serve((req, res) => {
        const { write } = res
        res.write = (chunk: Buffer | string) => {
          sent.push(req.url ?? '')
          return write.call(res, chunk, 'utf8')
        }
        void createHandler(rig, req.url?.slice(1) ?? '')(req, res)
      })
      const busy = await open(`${url}/busy`)
      for (let i = 0; i < 20; i += 1) await open(`${url}/idle${i}`)
      await until(() => rig.streams.stats().live === 21, 'live streams')
      sent.length = 0
      for (let i = 0; i < 20; i += 1) await rig.put('busy', i)
      await until(() => busy.payloads().length === 20, 'the events')
      expect(new Set(sent)).to.deep.equal(new Set(['/busy']))
    })
  })

  describe('on a store that is replaced', () => {
    it('get one reset, and behind it everything acknowledged in the new one', async () => {
      use()
      const url = await rig.handle('a')
      const live = [await open(url), await open(await rig.handle(['a', 'b']))]
      await rig.put('a', 'old')
      await until(() => live.every((client) => client.payloads().length === 1), 'the old event')
      rig.payload = memoryStore()
      await rig.append({ key: 'a', payload: '"new"' }, { key: 'b', payload: '"b"' })
      rig.streams.wake('watch')
      await rig.put('a', 'newer')
      await until(() => live.every((client) => client.payloads().includes('newer')), 'the new events')
      expect(live[0]?.payloads()).to.deep.equal(['old', 'new', 'newer'])
      expect(live[1]?.payloads()).to.deep.equal(['old', 'new', 'b', 'newer'])
      for (const client of live) expect(reasons(client)).to.deep.equal(['epoch'])
      const { epoch } = await rig.payload.head()
      expect(live[0]?.ofType('reset')[0]?.id).to.equal(`${epoch}-0`)
      expect(live[0]?.lastId()).to.equal(`${epoch}-3`)
    })

    it('go live again afterwards', async () => {
      use()
      await open(await rig.handle('a'))
      await until(() => rig.streams.stats().live === 1, 'live')
      rig.payload = memoryStore()
      rig.streams.wake('watch')
      await until(() => clients[0]?.ofType('reset').length === 1, 'the reset')
      await until(() => rig.streams.stats().live === 1, 'live again')
    })

    it('also where the reader has not noticed yet and a client comes with the new store’s cursor', async () => {
      use({ poll: 100_000 })
      const url = await rig.handle('a')
      const early = await open(url)
      await until(() => rig.streams.stats().live === 1, 'live')
      rig.payload = memoryStore()
      const [n] = await rig.append({ key: 'a', payload: '1' })
      const { epoch } = await rig.payload.head()
      const late = await open(url, `${epoch}-${n}`)
      await until(() => rig.streams.stats().live === 2, 'both live')
      await until(() => early.payloads().length > 0, 'the new event')
      expect(reasons(early)).to.deep.equal(['epoch'])
      expect(early.payloads()).to.deep.equal([1])
      expect(reasons(late)).to.deep.equal([])
    })
  })

  describe('when events are pruned that they have not had', () => {
    it('get a reset in mid-stream, with the head’s id, and go on from there', async () => {
      use({ retention: { maxPerKey: 3 } })
      const client = await open(await rig.handle('a'))
      await rig.put('a', 'first')
      await until(() => client.payloads().length === 1, 'the first')
      // As if this process had been stopped: nothing wakes it while others publish and prune.
      for (let i = 0; i < 10; i += 1) await rig.append({ key: 'a', payload: String(i) })
      await rig.payload.prune()
      rig.streams.wake('watch')
      await until(() => client.ofType('reset').length === 1, 'the reset')
      expect(reasons(client)).to.deep.equal(['pruned'])
      const head = await rig.payload.head()
      expect(client.ofType('reset')[0]?.id).to.equal(`${head.epoch}-${head.n}`)
      await rig.put('a', 'next')
      await until(() => client.payloads().includes('next'), 'the next')
      expect(client.payloads()).to.deep.equal(['first', 'next'])
      expect(reasons(client).length).to.equal(1)
    })

    it('also where nothing of them is left, and where it is another that lags', async () => {
      const store = memoryStore({ maxAge: 20 })
      let hold: Promise<void> | null = null
      use({
        payload: {
          ...store,
          read: async (request) => {
            if (hold && request.maxRows === 1000) await hold
            return store.read(request)
          },
        },
      })
      const early = await open(await rig.handle('a'))
      await until(() => rig.streams.stats().live === 1, 'live')
      let release = () => {}
      hold = new Promise((resolve) => {
        release = resolve
      })
      rig.streams.wake('local')
      const id = await rig.put('a', 1)
      // The late one has read this event by itself, ahead of the reader that lags.
      const late = await open(await rig.handle('a', { replay: 'all' }))
      await until(() => late.payloads().length === 1 && rig.streams.stats().live === 2, 'the event')
      await sleep(30)
      await rig.payload.prune()
      hold = null
      release()
      await until(() => early.ofType('reset').length === 1, 'the reset')
      expect(early.ofType('reset')[0]).to.include({ id, data: '{"reason":"pruned"}' })
      await rig.put('a', 2)
      await until(() => late.payloads().length === 2 && early.payloads().length === 1, 'the next event')
      expect(reasons(late)).to.deep.equal([])
    })

    it('and get [DONE] where the reset jumped over the end', async () => {
      use({ retention: { maxPerKey: 2 } })
      const client = await open(await rig.handle(['a', 'b']))
      const id = await rig.end('a')
      await until(() => rig.streams.stats().cursor === id, 'the first end is read')
      for (let i = 0; i < 5; i += 1) await rig.append({ key: 'b', payload: String(i) })
      await rig.append({ key: 'b', kind: 'end' })
      await rig.payload.prune()
      rig.streams.wake('watch')
      await until(() => client.ended, 'the end')
      expect(client.messages.slice(1).map(({ event, data }) => event ?? data)).to.deep.equal([
        'reset',
        '[DONE]',
      ])
    })

    it('and no reset where the key is quiet and its busy neighbour is pruned', async () => {
      use({ retention: { maxPerKey: 3 } })
      const quietUrl = await rig.handle('quiet')
      const cursor = await rig.put('quiet', 1)
      const quiet = await open(quietUrl)
      const busy = await open(await rig.handle(['busy', 'quiet']))
      await until(() => rig.streams.stats().live === 2, 'live')
      for (let round = 0; round < 5; round += 1) {
        for (let i = 0; i < 10; i += 1) await rig.append({ key: 'busy' })
        await rig.payload.prune()
        rig.streams.wake('watch')
        await until(() => busy.ofType('reset').length === round + 1, 'a reset of the busy one')
        await until(() => rig.streams.stats().live === 2, 'live again')
      }
      const back = await open(quietUrl, cursor)
      await rig.put('quiet', 2)
      await until(() => [quiet, back].every((client) => client.payloads().length === 1), 'the quiet event')
      expect([...reasons(quiet), ...reasons(back)]).to.deep.equal([])
      expect(busy.payloads().at(-1)).to.equal(2)
    })

    it('and none where the pruned ones were delivered already', async () => {
      use({ retention: { maxPerKey: 1 } })
      const client = await open(await rig.handle('a'))
      for (let i = 0; i < 20; i += 1) {
        await rig.put('a', i)
        await until(() => client.payloads().length === i + 1, 'the event')
        await rig.payload.prune()
      }
      expect(reasons(client)).to.deep.equal([])
      const back = await open(await rig.handle('a'), client.lastId())
      await rig.put('a', 'next')
      await until(() => back.payloads().length === 1, 'the next')
      expect(reasons(back)).to.deep.equal([])
    })

    it('also in the middle of a replay for a client that came without a cursor', async () => {
      const store = memoryStore({ maxPerKey: 600 })
      use({ payload: store })
      await rig.append(...Array.from({ length: 600 }, (_, i) => ({ key: 'a', payload: String(i) })))
      await rig.append(...Array.from({ length: 3 }, () => ({ key: 'b' })))
      const { read } = store
      let reads = 0
      rig.payload = {
        ...store,
        read: async (request) => {
          reads += 1
          // After the first page, publishers and the pruner are faster than this client.
          if (reads === 2) {
            await rig.append(...Array.from({ length: 500 }, () => ({ key: 'a' })))
            await store.prune()
          }
          return read(request)
        },
      }
      const client = await open(await rig.handle('a', { replay: 'all' }))
      await until(() => client.ofType('reset').length === 1, 'the reset')
      expect(reasons(client)).to.deep.equal(['pruned'])
      expect(client.payloads().length).to.equal(256)
    })
  })

  describe('when the store fails', () => {
    it('stay open, report once, and bring everything when it is back', async () => {
      const store = memoryStore()
      let broken = false
      use({
        poll: 20,
        payload: {
          ...store,
          read: async (request) => {
            if (broken) throw new Error('disk on fire')
            return store.read(request)
          },
        },
      })
      const url = await rig.handle('a')
      const client = await open(url)
      const id = await rig.put('a', 1)
      await until(() => client.payloads().length === 1, 'the first')
      broken = true
      await store.append([{ key: 'a', event: null, payload: '2', kind: 'event', dedupe: null }])
      await until(() => rig.reports.length === 1, 'the report')
      const refused = await stream(url, { headers: { 'Last-Event-ID': id } })
      expect(refused.status).to.equal(200)
      expect(refused.ended).to.equal(true)
      expect(refused.messages).to.deep.equal([])
      expect(refused.retries.length).to.equal(1)
      broken = false
      await until(() => client.payloads().length === 2, 'the second')
      expect(rig.reports.map(({ code }) => code)).to.deep.equal(['STREAM_FAILED'])
      expect(rig.reports[0]?.message).to.include('new ones are told to come back')
    })

    it('leave nothing behind when they close while they wait to try again', async () => {
      const store = memoryStore()
      use({
        poll: 60_000,
        payload: {
          ...store,
          read: async (request) => {
            if (request.after.n > 0) throw new Error('disk on fire')
            return store.read(request)
          },
        },
      })
      await rig.append(...Array.from({ length: 300 }, () => ({ key: 'a' })))
      const client = await open(await rig.handle('a', { replay: 'all' }))
      await until(() => rig.reports.length === 1, 'the failure')
      client.close()
      await until(() => rig.streams.stats().streams === 0, 'the end')
      const subscriber = rig.streams.subscribe('a', { after: 'nonsense' })
      rig.payload = {
        ...store,
        head: async () => {
          throw new Error('disk on fire')
        },
      }
      const next = subscriber.next()
      await until(() => rig.streams.stats().streams === 1, 'a subscriber that cannot begin')
      await subscriber.return()
      expect((await next).done).to.equal(true)
    })

    it('try again every poll while they are behind', async () => {
      const store = memoryStore()
      let reads = 0
      use({
        poll: 20,
        payload: {
          ...store,
          read: async (request) => {
            if (request.maxRows === 256) {
              reads += 1
              if (reads > 1 && reads < 5) throw new FileSignalError('STORE_FAILED', 'not now')
            }
            return store.read(request)
          },
        },
      })
      await rig.append(...Array.from({ length: 1000 }, (_, i) => ({ key: 'a', payload: String(i) })))
      const client = await open(await rig.handle('a', { replay: 'all' }))
      await until(() => client.payloads().length === 1000, 'all')
      expect(client.payloads()).to.deep.equal(Array.from({ length: 1000 }, (_, i) => i))
      expect(rig.reports[0]?.code).to.equal('STORE_FAILED')
    })
  })

  describe('in this process (subscribe)', () => {
    it('bring what comes after the call, each event once and whole', async () => {
      use()
      await rig.put('a', 'before')
      const subscriber = rig.streams.subscribe(['a', 'b'])
      const id = await rig.put('a', { deep: [1, null] }, { event: 'named' })
      await rig.put('c', 0)
      const first = await subscriber.next()
      expect(first.value).to.deep.include({ id, key: 'a', event: 'named', payload: { deep: [1, null] } })
      expect(first.value?.createdAt).to.be.closeTo(Date.now(), 5000)
      const second = subscriber.next()
      await rig.put('b', 'later')
      expect((await second).value).to.deep.include({ key: 'b', payload: 'later', event: null })
      expect(await subscriber.return()).to.deep.equal({ done: true, value: undefined })
      expect(await subscriber.next()).to.deep.equal({ done: true, value: undefined })
    })

    it('begin after the id that is given', async () => {
      use()
      const after = await rig.put('a', 1)
      await rig.put('a', 2)
      await rig.put('a', 3)
      const seen: unknown[] = []
      for await (const { payload } of rig.streams.subscribe('a', { after })) {
        seen.push(payload)
        if (seen.length === 2) break
      }
      expect(seen).to.deep.equal([2, 3])
      expect(rig.streams.stats().streams).to.equal(0)
    })

    it('check keys and options at the call', () => {
      use()
      const { subscribe } = rig.streams
      for (const key of ['', 'a\nb', '\u0000', 'x'.repeat(201)]) {
        expect(() => subscribe(key))
          .to.throw(FileSignalError)
          .with.property('code', 'KEY_INVALID')
      }
      const refused = () => subscribe('a', JSON.parse('{"from": 1}'))
      expect(refused).to.throw(FileSignalError).with.property('code', 'OPTION_INVALID')
      const after = () => subscribe('a', JSON.parse('{"after": 7}'))
      expect(after).to.throw(FileSignalError).with.property('remedy', 'use the id of an event')
      expect(() => subscribe([]))
        .to.throw(FileSignalError)
        .with.property('code', 'OPTION_INVALID')
      const many = Array.from({ length: 1001 }, (_, i) => `k${i}`)
      expect(() => subscribe(many))
        .to.throw(FileSignalError)
        .with.property('code', 'OPTION_INVALID')
    })

    it('throw CURSOR_LOST for a cursor that a stream would reset', async () => {
      use()
      await rig.put('a', 1)
      const { epoch } = await rig.payload.head()
      for (const after of ['nonsense', 'otherepo-1', `${epoch}-2`]) {
        const error = await collect(rig.streams.subscribe('a', { after }), [])
        expect(error).to.be.instanceOf(FileSignalError)
        expect(error).to.include({ code: 'CURSOR_LOST' })
        expect((error as FileSignalError).remedy).to.include('without { after }')
      }
    })

    it('throw CURSOR_LOST where what follows the cursor was pruned, and leave nothing behind', async () => {
      use({ retention: { maxPerKey: 1 } })
      const after = await rig.put('a', 1)
      await rig.put('a', 2)
      await rig.put('a', 3)
      await rig.payload.prune()
      expect(await collect(rig.streams.subscribe('a', { after }), [])).to.include({ code: 'CURSOR_LOST' })
      expect(rig.streams.stats()).to.include({ streams: 0, keys: 0, behind: 0 })
    })

    it('throw CURSOR_LOST in the middle, once, behind what had come', async () => {
      use({ retention: { maxPerKey: 2 } })
      const events: Event[] = []
      const subscriber = rig.streams.subscribe('a')
      const over = collect(subscriber, events)
      await rig.put('a', 1)
      await until(() => events.length === 1, 'the first')
      for (let i = 0; i < 5; i += 1) await rig.append({ key: 'a' })
      await rig.payload.prune()
      rig.streams.wake('watch')
      expect(await over).to.include({ code: 'CURSOR_LOST' })
      expect(events.length).to.equal(1)
      expect(await subscriber.next()).to.deep.equal({ done: true, value: undefined })
      expect(rig.streams.stats().streams).to.equal(0)
    })

    it('finish when every key has ended, and at once where that is so already', async () => {
      use()
      const events: Event[] = []
      const over = collect(rig.streams.subscribe(['a', 'b']), events)
      await rig.put('a', 1)
      await rig.end('a')
      await rig.end('b')
      expect(await over).to.equal(null)
      expect(events.length).to.equal(1)
      expect(await rig.streams.subscribe('a').next()).to.deep.equal({ done: true, value: undefined })
    })

    it('finish when the instance closes, and afterwards', async () => {
      use()
      const waiting = rig.streams.subscribe('a').next()
      await until(() => rig.streams.stats().live === 1, 'a live subscriber')
      await rig.streams.close()
      expect(await waiting).to.deep.equal({ done: true, value: undefined })
      expect((await rig.streams.subscribe('a').next()).done).to.equal(true)
    })

    it('cost nothing until somebody reads, and detach by return, break and await using', async () => {
      use()
      const unread = rig.streams.subscribe('a')
      expect(rig.streams.stats()).to.include({ streams: 0, keys: 0 })
      await unread.return()
      const waiting = rig.streams.subscribe('a')
      const pending = waiting.next()
      await until(() => rig.streams.stats().live === 1, 'a live subscriber')
      await waiting[Symbol.asyncDispose]()
      expect(await pending).to.deep.equal({ done: true, value: undefined })
      expect(rig.streams.stats()).to.include({ streams: 0, keys: 0, mode: null })
    })

    it('keep a bounded queue, and read the rest from the store when it is taken', async () => {
      const store = memoryStore()
      let ownPages = 0
      use({
        payload: {
          ...store,
          read: async (request) => {
            if (request.maxRows === 256) ownPages += 1
            return store.read(request)
          },
        },
      })
      const subscriber = rig.streams.subscribe('a')
      const first = subscriber.next()
      await until(() => rig.streams.stats().live === 1, 'live')
      await rig.put('a', 0)
      expect((await first).value?.payload).to.equal(0)
      const publish = async (from: number, to: number) => {
        for (let i = from; i < to; i += 50) {
          await rig.append(...Array.from({ length: 50 }, (_, j) => ({ key: 'a', payload: String(i + j) })))
          rig.streams.wake('local')
          await sleep(0)
        }
      }
      await publish(1, 1001)
      await until(() => rig.streams.stats().behind === 1, 'behind')
      const before = ownPages
      await publish(1001, 5001)
      expect(ownPages).to.equal(before)
      for (let i = 1; i < 5001; i += 1) {
        const { value } = await subscriber.next()
        if (value?.payload !== i) expect(value?.payload).to.equal(i)
      }
      expect(ownPages - before).to.be.within(15, 22)
      await until(() => rig.streams.stats().live === 1, 'live again')
      const last = subscriber.next()
      await rig.put('a', 'live')
      expect((await last).value?.payload).to.equal('live')
      await subscriber.return()
    })
  })

  it('tell in stats how many there are, what they listen to and how they are woken', async () => {
    use()
    const client = await open(await rig.handle(['a', 'b']))
    const subscriber = rig.streams.subscribe('c')
    const next = subscriber.next()
    await until(() => rig.streams.stats().live === 2, 'both live')
    await rig.put('c', 1)
    await next
    rig.streams.wake('local')
    const stats = rig.streams.stats()
    expect(stats).to.include({ streams: 2, live: 2, behind: 0, keys: 3, mode: 'watch', waiting: 0 })
    expect(stats.wakes).to.include({ watch: 1, local: 1, poll: 0, 're-read': 0 })
    expect(stats.cursor).to.match(/-1$/)
    await subscriber.return()
    client.close()
    await until(() => rig.streams.stats().streams === 0, 'nobody')
  })
})
