import { once } from 'node:events'
import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import {
  createFileSignal,
  type Event,
  type FileSignal,
  type FileSignalError,
  type Mailbox,
  memory,
  type PayloadEngine,
  type StreamStats,
} from 'file-signal'
import { createHandler } from '../dist/http/node.js'
import { createMemory } from '../dist/payload/memory.js'
import { sqlite } from '../dist/payload/sqlite/store.js'
import { startExample } from './setup/example.js'
import { freshFolder } from './support/folder.js'
import { site } from './support/payload-contract.js'
import { openRawDatabase } from './support/raw-database.js'
import { createRig, memoryStore, type Rig } from './support/rig.js'
import { type Client, connect, createReader, stream } from './support/sse.js'
import { until } from './support/wait.js'
import { type Numbered, startPublisher, startWeb, type Web } from './support/web.js'

const ONCE: { deliver: 'once' } = { deliver: 'once' }

/** So much that a socket does not take many. */
const PIECE = 'x'.repeat(1_000_000)

/** The numbers that some clients got, in rising order. */
function numbers(clients: readonly Client[]): number[] {
  return clients.flatMap((client) => client.payloads() as number[]).sort((a, b) => a - b)
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i)
}

/** A store whose answers take a while, before and after it has looked: like one behind a network. */
function slowly(store: PayloadEngine, ms: number): PayloadEngine {
  async function late<T>(ask: () => Promise<T>): Promise<T> {
    await sleep(Math.random() * ms)
    const answer = await ask()
    await sleep(Math.random() * ms)
    return answer
  }
  const mailbox = store.mailbox as Mailbox
  return {
    ...store,
    commitsOnCall: false,
    head: () => late(() => store.head()),
    read: (request) => late(() => store.read(request)),
    ended: (keys, n) => late(() => store.ended(keys, n)),
    mailbox: {
      ...mailbox,
      claim: (request) => late(() => mailbox.claim(request)),
      taken: (claims) => late(() => mailbox.taken(claims)),
      giveBack: (claims) => late(() => mailbox.giveBack(claims)),
    },
  }
}

/** True where some events stay in the store for a while, and the socket of the one that is held takes no more bytes. */
async function isStuck(
  count: () => Promise<number>,
  stats: () => Pick<StreamStats, 'waiting'> | Promise<StreamStats>,
): Promise<boolean> {
  await sleep(5)
  const before = await count()
  if (before > 30) throw new Error('30 MB wait and nothing of it is held by a socket')
  for (let i = 0; i < 15; i += 1) {
    if (before < 3 || (await stats()).waiting === 0 || (await count()) !== before) return false
    await sleep(10)
  }
  return true
}

describe('a key as a mailbox', () => {
  let rig: Rig
  let clients: Client[] = []

  afterEach(async () => {
    for (const client of clients) client.close()
    clients = []
    await rig.close()
  })

  async function open(url: string, headers: Record<string, string> = {}): Promise<Client> {
    const client = await stream(url, { headers })
    clients.push(client)
    return client
  }

  async function openMany(url: string, count: number): Promise<Client[]> {
    return Promise.all(Array.from({ length: count }, () => open(url)))
  }

  const got = (count: number) => until(() => numbers(clients).length >= count, `${count} events`)
  const rows = async () => (await rig.payload.stats()).rows

  it('gives each event to one stream, in turn, and deletes it', async () => {
    rig = createRig()
    await openMany(await rig.handle('jobs', ONCE), 5)
    for (const i of upTo(20)) {
      await rig.put('jobs', i)
      await got(i + 1)
    }
    expect(numbers(clients)).to.deep.equal(upTo(20))
    for (const client of clients) expect(client.payloads()).to.have.length(4)
    await until(async () => (await rows()) === 0, 'an empty store')
  })

  it('gives what waited before a stream came, oldest first, and no heed to Last-Event-ID', async () => {
    rig = createRig()
    const id = await rig.put('jobs', 0)
    for (const i of [1, 2]) await rig.put('jobs', i)
    const client = await open(await rig.handle('jobs', ONCE), { 'Last-Event-ID': id })
    await got(3)
    expect(client.payloads()).to.deep.equal([0, 1, 2])
    expect(client.ofType('reset')).to.deep.equal([])
  })

  it('sends the frames of any stream: id, event, key, time and data', async () => {
    rig = createRig()
    const url = await rig.handle(['a', 'b'], { ...ONCE, event: 'job' })
    const id = await rig.put('b', { x: 1 })
    const client = await open(url)
    await until(() => client.ofType('job').length === 1, 'the event')
    const [message] = client.ofType('job')
    expect(message).to.deep.include({ id, key: 'b', data: '{"x":1}' })
    expect(message?.at).to.be.closeTo(Date.now(), 5000)
  })

  it('keeps the streams of several keys and of one apart from nobody: an event still goes to one', async () => {
    rig = createRig()
    const urls = [
      await rig.handle('a', ONCE),
      await rig.handle(['a', 'b'], ONCE),
      await rig.handle('b', ONCE),
    ]
    for (const url of urls) await openMany(url, 2)
    await rig.append(...upTo(40).map((i) => ({ key: i % 2 ? 'a' : 'b', payload: String(i) })))
    rig.streams.wake('local')
    await until(async () => (await rows()) === 0, 'an empty store')
    expect(numbers(clients)).to.deep.equal(upTo(40))
  })

  it('answers short requests with one event each', async () => {
    rig = createRig()
    const url = `${await rig.handle('jobs', ONCE)}?mode=short`
    for (const i of [0, 1]) await rig.put('jobs', i)
    for (const i of [0, 1]) {
      const client = await connect(url)
      clients.push(client)
      await until(() => client.ended, 'the end of the answer')
      expect(client.payloads()).to.deep.equal([i])
    }
    await until(async () => (await rows()) === 0, 'an empty store')
    const waiting = connect(url)
    await until(() => rig.streams.stats().live === 1, 'a request that waits')
    await rig.put('jobs', 2)
    const late = await waiting
    await until(() => late.ended, 'the end of the answer')
    expect(late.payloads()).to.deep.equal([2])
  })

  it('ends when its keys have ended and nothing of them is left, answers 204, and works again afterwards', async () => {
    rig = createRig()
    const url = await rig.handle(['a', 'b'], ONCE)
    await rig.put('a', 0)
    await rig.end('a')
    const client = await open(url)
    await got(1)
    await until(async () => (await rows()) === 1, 'the end alone')
    expect(client.isDone()).to.equal(false)
    const id = await rig.put('b', { reason: 'lost' }, { kind: 'end' })
    await until(() => client.ended, 'the end')
    expect(client.ofType('end')[0]).to.include({ id, data: '{"reason":"lost","key":"b"}' })
    expect(client.messages.at(-1)).to.deep.include({ id, data: '[DONE]', event: undefined })
    const refused = await connect(url)
    expect(refused.status).to.equal(204)
    await rig.put('a', 1)
    const again = await open(url)
    await until(() => again.payloads().length === 1, 'the event after the end')
    await until(async () => (await rows()) === 2, 'the ends alone')
    await rig.put('a', 2)
    await until(() => again.payloads().length === 2, 'another one on the same stream')
    expect(again.isDone()).to.equal(false)
  })

  it('tells a stream that comes for the last event of an ended key both: the event and the end', async () => {
    rig = createRig()
    await rig.put('a', 0)
    await rig.end('a')
    const client = await open(await rig.handle('a', ONCE))
    await until(() => client.isDone(), 'the end')
    expect(client.payloads()).to.deep.equal([0])
  })

  it('asks once for a thousand idle streams when an event comes, and not at all when nothing comes', async () => {
    let asked = 0
    const store = memoryStore()
    const mailbox = store.mailbox as Mailbox
    const claim: typeof mailbox.claim = (request) => {
      asked += 1
      return mailbox.claim(request)
    }
    rig = createRig({ payload: { ...store, mailbox: { ...mailbox, claim } }, poll: 20 })
    const url = await rig.handle('jobs', ONCE)
    for (let i = 0; i < 10; i += 1) await openMany(url, 100)
    expect(rig.streams.stats()).to.include({ streams: 1000, live: 1000, behind: 0 })
    asked = 0
    const { sweep } = rig.streams.stats().wakes
    await until(() => rig.streams.stats().wakes.sweep > sweep + 5, 'five sweeps')
    expect(asked, 'while nothing came').to.equal(0)
    await rig.put('jobs', 0)
    await until(async () => (await rows()) === 0, 'the event to be taken')
    // One claims it, one finds that nothing more waits.
    expect(asked, 'for one event').to.be.within(1, 3)
    expect(numbers(clients)).to.deep.equal([0])
    asked = 0
    await rig.append(...upTo(200).map((i) => ({ key: 'jobs', payload: String(i + 1) })))
    rig.streams.wake('local')
    await until(async () => (await rows()) === 0, 'the others to be taken')
    expect(asked, 'for two hundred events at once').to.be.within(1, 60)
    await got(201)
    expect(numbers(clients)).to.deep.equal(upTo(201))
  }).timeout(10_000)

  it('misses nothing and repeats nothing on a slow engine, whenever streams come and events too', async () => {
    // No sweep comes to the rescue.
    rig = createRig({ payload: slowly(memoryStore(), 5), poll: 60_000 })
    const keys = upTo(15).map((i) => `k${i}`)
    const urls = new Map<string, string>()
    for (const key of keys) urls.set(key, await rig.handle([key, 'all'], ONCE))
    await Promise.all(
      keys.flatMap((key, i) => [
        (async () => {
          await sleep(Math.random() * 60)
          await openMany(urls.get(key) as string, 2)
        })(),
        (async () => {
          for (let j = 0; j < 8; j += 1) {
            await sleep(Math.random() * 15)
            await rig.put(j % 4 ? key : 'all', i * 8 + j)
          }
        })(),
      ]),
    )
    await got(15 * 8)
    await until(async () => (await rows()) === 0, 'an empty store')
    expect(numbers(clients)).to.deep.equal(upTo(15 * 8))
  })

  describe('misses nothing that comes', () => {
    /** Holds a call of a store up until it is let go. */
    function gate(): { closed: boolean; pass(): Promise<void>; open(): void } {
      let open = () => {}
      const opened = new Promise<void>((resolve) => {
        open = resolve
      })
      const own = { closed: false, pass: async () => void (own.closed && (await opened)), open }
      return own
    }

    it('before the tailer knows its first place', async () => {
      const store = memoryStore()
      const held = gate()
      let heads = 0
      const head = async () => {
        heads += 1
        // The first one is the stream’s own.
        held.closed = heads === 2
        await held.pass()
        return store.head()
      }
      rig = createRig({ payload: { ...store, head }, poll: 60_000 })
      const client = await open(await rig.handle('jobs', ONCE))
      await until(() => heads === 2, 'the tailer to ask')
      await rig.append({ key: 'jobs', payload: '0' })
      held.open()
      await until(() => client.payloads().length === 1, 'the event')
    })

    it('while the tailer reads for those who were there before', async () => {
      const store = memoryStore()
      const held = gate()
      let reads = 0
      const read: typeof store.read = async (request) => {
        reads += 1
        await held.pass()
        return store.read(request)
      }
      rig = createRig({ payload: { ...store, read }, poll: 60_000 })
      await open(await rig.handle('other', ONCE))
      const url = await rig.handle('jobs', ONCE)
      await until(() => reads > 0, 'the first page')
      held.closed = true
      const before = reads
      rig.streams.wake('local')
      await until(() => reads > before, 'the tailer to read')
      const client = await open(url)
      await until(() => rig.streams.stats().live === 2, 'two streams')
      await rig.append({ key: 'jobs', payload: '0' })
      held.open()
      await until(() => client.payloads().length === 1, 'the event')
    })
  })

  it('looks again for what somebody else holds, when a wake-up brings no rows', async () => {
    rig = createRig({ poll: 60_000 })
    await rig.put('jobs', 0)
    const mailbox = rig.payload.mailbox as Mailbox
    await mailbox.claim({ keys: ['jobs'], holder: 'elsewhere', count: 1 })
    const client = await open(await rig.handle('jobs', ONCE))
    await mailbox.giveBack([{ n: 1, holder: 'elsewhere' }])
    expect(client.payloads()).to.deep.equal([])
    rig.signal.raise(await rig.payload.head())
    await got(1)
  })

  it('leaves other streams of the key as they are, but for a reset where one comes back too late', async () => {
    rig = createRig()
    const first = await rig.put('a', 0)
    const live = await open(await rig.handle('a'))
    await open(await rig.handle('a', ONCE))
    await until(async () => (await rows()) === 0 && rig.streams.stats().live === 2, 'two live streams')
    await rig.put('a', 1)
    await until(() => live.payloads().length === 1, 'the event on the stream that was live')
    await until(async () => (await rows()) === 0, 'an empty store')
    const late = await open(await rig.handle('a'), { 'Last-Event-ID': first })
    await until(() => late.ofType('reset').length === 1, 'a reset')
    expect(JSON.parse(late.ofType('reset')[0]?.data ?? '{}').reason).to.equal('pruned')
    expect(live.ofType('reset')).to.deep.equal([])
  })

  it('sends what beforeSend makes of an event, and counts one that it drops as taken', async () => {
    rig = createRig()
    const beforeSend = ({ payload }: Event) => (payload === 1 ? null : { event: 'made', data: [payload] })
    const url = await rig.handle('jobs', { ...ONCE, beforeSend: async (event) => beforeSend(event) })
    for (const i of upTo(3)) await rig.put('jobs', i)
    const client = await open(url)
    await until(async () => (await rows()) === 0, 'an empty store')
    expect(client.ofType('made').map(({ data }) => JSON.parse(data))).to.deep.equal([[0], [2]])
  })

  it('stores one event for a dedupe key while it waits, and another once it is taken', async () => {
    rig = createRig({ poll: 20 })
    const order = { key: 'jobs', dedupe: 'order-7' }
    const first = await rig.append(order, order)
    expect(first[1]).to.equal(first[0])
    const client = await open(await rig.handle('jobs', ONCE))
    await until(async () => client.payloads().length === 1 && (await rows()) === 0, 'the event')
    expect(await rig.append(order)).to.not.deep.equal(first.slice(1))
    rig.streams.wake('local')
    await until(() => client.payloads().length === 2, 'its repetition')
  })

  it('tries an event again after its lease where beforeSend failed, and the others at once', async () => {
    rig = createRig({ payload: createMemory(300)(site()), poll: 20 })
    const calls: number[] = []
    const beforeSend = ({ payload }: Event) => {
      calls.push(performance.now())
      if (payload === 0 && calls.length === 1) throw new Error('no')
      return payload
    }
    for (const i of upTo(3)) await rig.put('jobs', i)
    const client = await open(await rig.handle('jobs', { ...ONCE, beforeSend }))
    await until(() => client.payloads().length === 3, 'three events')
    expect(client.payloads()).to.deep.equal([1, 2, 0])
    expect(rig.reports.map(({ code }) => code)).to.deep.equal(['HOOK_FAILED'])
    const [first = 0, , , again = 0] = calls
    expect(calls).to.have.length(4)
    expect(again - first).to.be.above(295)
  })

  it('gives the event of a stream that does not read to another one when its lease is over, and ends that stream', async () => {
    rig = createRig({ payload: createMemory(1500)(site()), poll: 20 })
    const url = await rig.handle('jobs', ONCE)
    const stalled = await open(url)
    stalled.pause()
    do await rig.put('jobs', PIECE)
    while (!(await isStuck(rows, rig.streams.stats)))
    const waiting = await rows()
    const other = await open(url)
    await until(() => other.payloads().length === waiting, 'all that the other stream had not taken')
    await until(() => rig.streams.stats().live === 1, 'the end of the stream that does not read')
    await until(async () => (await rows()) === 0, 'an empty store')
  })

  it('hands events out over HTTP/2, and takes back what a closed stream had not sent', async () => {
    rig = createRig()
    const server = http2.createServer(createHandler<http2.Http2ServerRequest>(rig, 'jobs', ONCE))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const request = () => session.request({ ':path': '/', accept: 'text/event-stream' })
    try {
      const one = request()
      const reader = createReader()
      one.setEncoding('utf8').on('data', (text: string) => reader.feed(text))
      await until(() => rig.streams.stats().live === 1, 'a stream')
      for (const i of upTo(3)) await rig.put('jobs', i)
      await until(async () => (await rows()) === 0, 'an empty store')
      await until(() => reader.messages.length === 4, 'ready and three events')
      one.pause()
      do await rig.put('jobs', PIECE)
      while (!(await isStuck(rows, rig.streams.stats)))
      const waiting = await rows()
      one.close(http2.constants.NGHTTP2_CANCEL)
      const other = createReader()
      const two = request()
      two.setEncoding('utf8').on('data', (text: string) => other.feed(text))
      await until(() => other.messages.length === waiting + 1, 'ready and all that the first had not sent')
    } finally {
      session.destroy()
      await rig.streams.close()
      server.close()
    }
  })

  it('gives an event at once to another stream where the client leaves while beforeSend still runs', async () => {
    rig = createRig()
    let asked = 0
    const beforeSend = ({ payload }: Event) => {
      asked += 1
      return asked === 1 ? new Promise(() => {}) : payload
    }
    const url = await rig.handle('jobs', { ...ONCE, beforeSend })
    const first = await open(url)
    await rig.put('jobs', 0)
    await until(() => asked === 1, 'the hook to run')
    const other = await open(url)
    first.close()
    await until(() => other.payloads().length === 1, 'the event on the other stream')
  })

  it('does not send what its process has held for too long, but lets another stream have it', async () => {
    rig = createRig({ payload: createMemory(200)(site()), poll: 20 })
    let asked = 0
    const beforeSend = ({ payload }: Event) => {
      asked += 1
      const end = performance.now() + (asked === 1 ? 150 : 0)
      while (performance.now() < end);
      return payload
    }
    const url = await rig.handle('jobs', { ...ONCE, beforeSend })
    const first = await open(url)
    const other = await open(url)
    await rig.put('jobs', 0)
    await until(() => other.payloads().length === 1, 'the event on the other stream')
    await until(() => first.ended, 'the end of the first stream')
    expect(first.payloads()).to.deep.equal([])
  })

  it('refuses an unknown deliver, replay beside it, and an engine that is no mailbox', async () => {
    rig = createRig()
    const handle = (options: object) => () => createFileSignal({ payload: memory() }).handler('a', options)
    expect(handle({ deliver: 'twice' })).to.throw('OPTION_INVALID: deliver is "twice"; use "all" or "once".')
    expect(handle({ deliver: 'once', replay: 'all' }))
      .to.throw('OPTION_INVALID: replay is "all"')
      .with.property('remedy')
      .that.includes('leave replay out')
    const { mailbox, ...other } = memoryStore()
    await rig.close()
    rig = createRig({ payload: { ...other, name: 'other' } })
    const client = await connect(await rig.handle('a', ONCE))
    await until(() => client.ended, 'the end')
    const [report] = rig.reports as FileSignalError[]
    expect(report?.message).to.include('OPTION_INVALID: deliver is "once", which the engine other cannot do')
    expect(mailbox?.lease).to.equal(30_000)
  })
})

describe('a mailbox over several processes', () => {
  it('goes on after its table was dropped under the living process', async () => {
    const root = freshFolder()
    const web = await startWeb({ keys: ['a'], options: { root, poll: 50 }, stream: ONCE })
    const events = createFileSignal({ root })
    await events.signal('a', 0)
    const client = await stream(web.url)
    await until(() => client.payloads().length === 1, 'the first job')
    const raw = openRawDatabase((await events.stats()).store.place)
    raw.exec('DROP TABLE mailbox_claims')
    raw.close()
    await events.signal('a', 1)
    await until(() => client.payloads().length === 2, 'the job after it')
    client.close()
    await events.close()
    await web.child.stop()
  })

  let root: string
  let publisher: FileSignal
  let webs: Web[]
  let clients: Client[]

  beforeEach(() => {
    root = freshFolder()
    publisher = createFileSignal({ root, payloadLimit: '1mb' })
    webs = []
    clients = []
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await Promise.all(webs.map(({ child }) => child.stop()))
    await publisher.close()
  })

  async function serve({ lease, poll = '1s' }: { lease?: number; poll?: string } = {}): Promise<Web> {
    const web = await startWeb({
      keys: ['jobs'],
      options: { root, poll },
      stream: ONCE,
      ...(lease === undefined ? {} : { lease }),
    })
    webs.push(web)
    return web
  }

  async function open(web: Web): Promise<Client> {
    const client = await stream(web.url)
    clients.push(client)
    return client
  }

  const left = async () => (await publisher.stats()).store.rows
  const jobsOf = (client: Client) => (client.payloads() as [number, string][]).map(([i]) => i)

  /** Publishes until a client that does not read holds an event which its socket does not take. */
  async function stall(web: Web): Promise<Client> {
    const client = await open(web)
    client.pause()
    for (let i = 0; ; i += 1) {
      await publisher.signal('jobs', [i, PIECE])
      if (await isStuck(left, async () => (await web.stats()).streams)) return client
    }
  }

  it('gives each of 2,000 events of two publishers to one of twenty streams of two processes', async () => {
    const [one, two] = await Promise.all([serve(), serve()])
    const each = await Promise.all([one, two].map((web) => Promise.all(upTo(10).map(() => open(web)))))
    const publishers = upTo(2).map((i) =>
      startPublisher({ key: 'jobs', count: 1000, from: i * 1000, oneByOne: true, options: { root } }),
    )
    await Promise.all(publishers.map(({ ended }) => ended))
    const jobs = (some: readonly Client[]) => some.flatMap((client) => client.payloads() as Numbered[])
    await until(() => jobs(clients).length >= 2000, 'all events', 10_000)
    await until(async () => (await left()) === 0, 'an empty store')
    const seen = jobs(clients).map(({ i }) => i)
    expect(seen.sort((a, b) => a - b)).to.deep.equal(upTo(2000))
    for (const [i, some] of each.entries()) expect(jobs(some).length, `process ${i}`).to.be.above(100)
  }).timeout(30_000)

  it('gives the event that a dead client’s socket had not taken to another process, long before its lease is over', async () => {
    // No sweep comes to the rescue.
    const [one, two] = await Promise.all([serve({ poll: '1h' }), serve({ poll: '1h' })])
    const stalled = await stall(one)
    const waiting = await left()
    const other = await open(two)
    await until(() => jobsOf(other).length === waiting - 1, 'all but the one that is held', 10_000)
    const began = performance.now()
    stalled.close()
    await until(() => jobsOf(other).length === waiting, 'the one that was given back', 10_000)
    expect(performance.now() - began).to.be.below(10_000)
    const [held, ...others] = [...jobsOf(other)].sort((a, b) => a - b)
    expect(jobsOf(other)).to.deep.equal([...others, held])
    await until(async () => (await left()) === 0, 'an empty store')
  }).timeout(20_000)

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    it(`gives what a process held at ${signal} to another one when the lease is over`, async () => {
      const [one, two] = await Promise.all([serve({ lease: 1000 }), serve({ lease: 1000 })])
      await stall(one)
      one.child.process.kill(signal)
      const waiting = await left()
      const other = await open(two)
      await until(() => jobsOf(other).length === waiting, 'the event that was held', 10_000)
      await until(async () => (await left()) === 0, 'an empty store')
      const [held, ...others] = [...jobsOf(other)].sort((a, b) => a - b)
      expect(jobsOf(other)).to.deep.equal([...others, held])
      if (signal === 'SIGKILL') return
      one.child.process.kill('SIGCONT')
      await publisher.signal('jobs', ['last', ''])
      await until(async () => (await left()) === 0, 'the next event to be taken')
    }).timeout(20_000)
  }

  it('gives back what is not flushed before close() resolves', async () => {
    const engine = sqlite({ database: `${root}/x.sqlite` })
    const rig = createRig({ payload: engine(site()) })
    const client = await stream(await rig.handle('jobs', ONCE))
    clients.push(client)
    client.pause()
    const seen = async () => (await rig.payload.stats()).rows
    for (let i = 0; ; i += 1) {
      await rig.put('jobs', [i, PIECE])
      if (await isStuck(seen, rig.streams.stats)) break
    }
    const before = await seen()
    const { mailbox } = rig.payload
    const claim = async () =>
      (await mailbox?.claim({ keys: ['jobs'], holder: 'test', count: 99 }))?.rows.length
    await rig.streams.close()
    expect(await claim()).to.equal(before)
    await rig.close()
  }).timeout(20_000)
})

it('The example of a mailbox gives each job to one of its pages', async () => {
  const example = await startExample('mailbox')
  const pages = await Promise.all([0, 1].map(() => stream(`${example.address}jobs.sse`)))
  const jobs = () => pages.map((page) => page.payloads() as { job: number }[])
  try {
    await fetch(`${example.address}jobs`, { method: 'POST' })
    await fetch(`${example.address}jobs`, { method: 'POST' })
    await until(() => jobs().flat().length === 10, 'ten jobs')
    for (const own of jobs()) expect(own.length).to.be.above(0)
    expect(await (await fetch(example.address)).text()).to.include('<h1>A mailbox</h1>')
  } finally {
    for (const page of pages) page.close()
    expect(await example.stop()).to.equal(0)
  }
})
