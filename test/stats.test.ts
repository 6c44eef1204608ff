import { mkdirSync, readFileSync, symlinkSync, unlinkSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import {
  createFileSignal,
  type ErrorCode,
  type FileSignal,
  FileSignalError,
  type FileSignalStats,
  type Histogram,
  memory,
  memorySignal,
  type StreamKind,
  sqlite,
} from 'file-signal'
import { createHealth } from '../dist/health.js'
import { createRates } from '../dist/stream/figures/rates.js'
import { freshFolder } from './support/folder.js'
import { type Client, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

/** Most of one event: sockets hold some of them, and the rest waits. */
const BIG = 'x'.repeat(60_000)

/** `['store.rows', 'streams.open[].id', ...]` */
function* fieldsOf(value: object, prefix: string): Iterable<string> {
  for (const [name, part] of Object.entries(value) as [string, unknown][]) {
    const [first] = Array.isArray(part) ? part : []
    if (typeof first === 'object') yield* fieldsOf(first, `${prefix}${name}[].`)
    else if (typeof part === 'object' && part !== null && !Array.isArray(part)) {
      yield* fieldsOf(part, `${prefix}${name}.`)
    } else yield prefix + name
  }
}

describe('stats()', () => {
  let events: FileSignal
  let server: http.Server
  let base: string
  let clients: Client[]

  beforeEach(async () => {
    clients = []
    events = createFileSignal({ payload: memory(), signal: memorySignal(), buffer: '64kb', heartbeat: '1m' })
    const routes: Record<string, http.RequestListener> = {
      '/a': events.handler('a'),
      '/ab': events.handler(['a', 'b']),
      '/many': events.handler(Array.from({ length: 12 }, (_, i) => `key ${10 + i}`)),
      '/once': events.handler('jobs', { deliver: 'once' }),
      '/hooked': events.handler('a', { beforeSend: ({ payload }) => (payload === 'drop' ? null : payload) }),
      '/source': events.handlerFrom(() => 1, { every: '1m', share: true }),
    }
    server = http.createServer((req, res) => routes[(req.url ?? '').split('?')[0] ?? '']?.(req, res))
    server.listen(0, '127.0.0.1')
    await until(() => server.listening, 'a free port')
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await events.close()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })

  async function open(path: string, headers: Record<string, string> = {}): Promise<Client> {
    const client = await stream(base + path, { headers })
    clients.push(client)
    return client
  }

  const streams = async () => (await events.stats()).streams
  const ofKind = async (kind: StreamKind) => (await streams()).open.filter((one) => one.kind === kind)
  const live = (count: number) => until(async () => (await streams()).live === count, `${count} live`)

  it('tells which process it is, and that store and signals are well', async () => {
    const { process: own, store, signal, latency } = await events.stats()
    expect(own.pid).to.equal(process.pid)
    expect(own.version).to.match(/^\d+\.\d+\.\d+$/)
    expect(own.startedAt).to.be.within(Date.now() - process.uptime() * 1000 - 2000, Date.now())
    expect([store.health, signal.health]).to.deep.equal(['ok', 'ok'])
    expect(latency).to.include({ count: 0, sum: 0 })
    expect(latency.counts).to.have.length(latency.bounds.length + 1)
  })

  it('lists each stream with its kind, keys, age and the address of its client', async () => {
    await open('/ab')
    const began = performance.now()
    await open('/many', { 'X-Forwarded-For': '203.0.113.7' })
    await open('/once')
    await open('/source')
    const held = connect(`${base}/a?mode=short&lastEventId=${(await streams()).cursor}`)
    const [first, second] = await until(async () => {
      const found = await ofKind('stream')
      return found.length === 2 && found.every(({ state }) => state === 'live') && found
    }, 'two live streams')
    expect(first).to.include({ state: 'live', lag: 0, waiting: 0, address: '127.0.0.1', moreKeys: 0 })
    expect(first?.keys).to.deep.equal(['a', 'b'])
    expect(first?.sent).to.be.within(200, 500)
    expect(second?.keys).to.have.length(10).and.include('key 10')
    expect(second).to.include({ moreKeys: 2, address: '203.0.113.7' })
    expect(second?.age).to.be.within(0, performance.now() - began + 1)
    expect(first?.age).to.be.at.least(second?.age as number)
    const [mailbox] = await ofKind('mailbox')
    expect(mailbox).to.deep.include({ state: 'live', keys: ['jobs'], lag: null })
    expect((await ofKind('source'))[0]).to.deep.include({ state: 'live', keys: [], lag: null })
    const [short] = await until(async () => {
      const found = await ofKind('short')
      return found[0]?.state === 'live' && found
    }, 'the short one')
    expect(short?.keys).to.deep.equal(['a'])
    const { open: all, omitted } = await streams()
    expect(new Set(all.map(({ id }) => id)).size).to.equal(5)
    expect(all.find(({ id }) => id === first?.id)?.keys, 'ids stay').to.deep.equal(['a', 'b'])
    expect(omitted).to.equal(0)
    await events.signal('a', 1)
    clients.push(await held)
  })

  it('counts what was opened, closed and written, each event once per stream', async () => {
    await open('/a')
    await open('/ab')
    await open('/hooked')
    await open('/once')
    await live(4)
    const before = await streams()
    await events.signalMany([
      { key: 'a', payload: 1 },
      { key: 'a', payload: 'drop' },
      { key: 'b', payload: 2 },
      { key: 'jobs', payload: 3 },
      { key: 'nobody listens', payload: 4 },
    ])
    await until(() => clients.every((client) => client.payloads().length > 0), 'an event each')
    await until(async () => (await streams()).events - before.events === 7, 'seven frames: 2 + 3 + 1 + 1')
    const after = await streams()
    await until(() => clients.reduce((sum, { bytes }) => sum + bytes, 0) === after.bytes, 'all the bytes')
    clients[0]?.close()
    await until(async () => (await streams()).closed === 1, 'one closed')
    expect(await streams()).to.include({ opened: 4, streams: 3, events: after.events, bytes: after.bytes })
  })

  it('lists a stream whose client does not read first, with what waits and how far it is behind', async () => {
    await open('/ab')
    const slow = await open('/a')
    await live(2)
    slow.pause()
    let written = 0
    const stalled = await until(async () => {
      for (let i = 0; i < 20; i += 1) await events.signal('a', BIG)
      written += 20
      const [first] = (await streams()).open
      return first?.state === 'behind' && first.lag && first.lag >= 20 && first
    }, 'a stream that is behind')
    expect(stalled).to.deep.include({ keys: ['a'], kind: 'stream' })
    expect(stalled.waiting).to.be.above(64 * 1024)
    expect(stalled.lag).to.be.within(20, written)
    expect((await streams()).waiting).to.be.at.least(stalled.waiting)
    slow.resume()
    await live(2)
    expect((await streams()).open.map(({ lag }) => lag)).to.deep.equal([0, 0])
  })

  it('lists 1,000 of them, and among those any that is behind, however late it came', async () => {
    const { port } = server.address() as AddressInfo
    const sockets = Array.from({ length: 1002 }, () => {
      const socket = net.connect(port, '127.0.0.1').resume()
      socket.write('GET /many HTTP/1.1\r\nHost: x\r\n\r\n')
      return socket
    })
    try {
      await until(async () => (await streams()).live === 1002, '1,002 streams', 20_000)
      const slow = await open('/a')
      slow.pause()
      const found = await until(async () => {
        await events.signal('a', BIG)
        const now = await streams()
        return now.behind === 1 && now.open[0]?.lag && now
      }, 'the one that does not read')
      expect(found.open).to.have.length(1000)
      expect(found.omitted).to.equal(3)
      expect(found.open[0]).to.deep.include({ keys: ['a'], state: 'behind', lag: found.lag })
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  }).timeout(30_000)

  it('measures how long events take to the live streams, once each, however many streams there are', async () => {
    const count = ({ counts }: Histogram) => counts.reduce((sum, one) => sum + one, 0)
    for (let i = 0; i < 5; i += 1) await open('/a')
    const mailbox = await open('/once')
    await live(6)
    await events.signal('jobs', 'dealt out by and by')
    await until(() => mailbox.payloads().length === 1, 'the job')
    for (let i = 0; i < 10; i += 1) await events.signal('a', i)
    await events.signal('nobody listens', 0)
    const quick = await until(async () => {
      const { latency } = await events.stats()
      return latency.count === 10 && latency
    }, 'ten events')
    expect(count(quick)).to.equal(10)
    expect(quick.sum).to.be.below(1000)
    // The loop stands still between the commit and the read.
    void events.signal('a', 'late')
    const until60 = performance.now() + 60
    while (performance.now() < until60);
    const late = await until(async () => {
      const { latency } = await events.stats()
      return latency.count === 11 && latency
    }, 'the late one')
    expect(late.sum - quick.sum).to.be.within(58, 1000)
    const slowest = late.counts.findLastIndex((one) => one > 0)
    expect(late.bounds[slowest]).to.be.at.least(70)
  })

  it('counts the events of the last minute by key, of keys that somebody listens to', async () => {
    await open('/ab')
    await open('/a')
    await live(2)
    await events.signalMany([1, 2, 3].map((payload) => ({ key: 'b', payload })))
    await events.signal('nobody listens', 0)
    await events.signal('a', 0)
    await until(() => clients[0]?.payloads().length === 4, 'four events')
    expect((await streams()).rates).to.deep.equal([
      { key: 'b', streams: 1, lastMinute: 3 },
      { key: 'a', streams: 2, lastMinute: 1 },
    ])
    clients[0]?.close()
    await live(1)
    expect((await streams()).rates).to.deep.equal([{ key: 'a', streams: 1, lastMinute: 1 }])
  })

  it('forgets what is older than a minute, and counts no more than 1,000 keys', () => {
    const rates = createRates()
    rates.count('a', 1000)
    rates.count('a', 30_000)
    for (let i = 0; i < 1500; i += 1) rates.count(`key ${i}`, 30_000)
    expect(rates.read(30_000).size).to.equal(1000)
    expect(rates.read(30_000).get('a')).to.equal(2)
    expect(rates.read(59_999).get('a')).to.equal(2)
    expect(rates.read(65_000).get('a')).to.equal(1)
    expect(rates.read(95_000).size).to.equal(0)
    rates.count('a', 3_600_000)
    expect([...rates.read(3_600_000)]).to.deep.equal([['a', 1]])
  })

  it('says what signals and store have reported, until that is over', async () => {
    const root = freshFolder()
    let refused: FileSignalError | null = new FileSignalError('STORE_UNWRITABLE', 'its rights were changed')
    const own = createFileSignal({
      root,
      poll: 50,
      onError: () => {},
      payload: (site) => {
        const engine = sqlite()(site)
        return { ...engine, read: (request) => (refused ? Promise.reject(refused) : engine.read(request)) }
      },
    })
    const health = async () => {
      const { store, signal } = await own.stats()
      return [store.health, signal.health].map((one) => (one === 'ok' ? one : one.code))
    }
    try {
      mkdirSync(join(root, 'tmp/sse_signals'), { recursive: true })
      symlinkSync('nowhere', join(root, 'tmp/sse_signals/events.signal'))
      await own.signal('a', 0)
      expect(await health()).to.deep.equal(['ok', 'SIGNAL_FAILED'])
      unlinkSync(join(root, 'tmp/sse_signals/events.signal'))
      await own.signal('a', 1)
      expect(await health()).to.deep.equal(['ok', 'ok'])
      const subscriber = own.subscribe('a')
      const next = subscriber.next()
      await until(async () => (await health())[0] === 'STORE_UNWRITABLE', 'a store that cannot be read')
      refused = null
      await until(async () => (await health())[0] === 'ok', 'a store that is well')
      await subscriber.return()
      await next
    } finally {
      await own.close()
    }
  })

  it('never calls a store well that is on a network disk, nor one that was damaged', () => {
    const health = createHealth(() => {})
    const report = (code: ErrorCode) => health.report(new FileSignalError(code, 'x'))
    const shown = () => [health.store(), health.signal()].map((one) => (one === 'ok' ? one : one.code))
    report('STORE_NETWORK')
    report('STORE_BUSY')
    report('HOOK_FAILED')
    report('WATCH_FAILED')
    expect(shown()).to.deep.equal(['STORE_BUSY', 'WATCH_FAILED'])
    health.recovered('STORE_BUSY')
    health.recovered('WATCH_FAILED')
    expect(shown()).to.deep.equal(['STORE_NETWORK', 'ok'])
    report('STORE_NETWORK')
    expect([...health.reports()]).to.deep.equal([
      ['STORE_NETWORK', 2],
      ['STORE_BUSY', 1],
      ['HOOK_FAILED', 1],
      ['WATCH_FAILED', 1],
    ])
  })

  it('tells what docs/figures.md explains, field by field', async () => {
    await open('/ab')
    const own = createFileSignal({ root: freshFolder() })
    const { store, signal } = await own.stats()
    await own.close()
    const stats = { ...(await events.stats()), store, signal, root: { path: '', rule: '' } }
    const page = readFileSync(new URL('../docs/figures.md', import.meta.url), 'utf8')
    const [, table = ''] = page.split('| field | what it is |')
    const rows = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| (`[^|]+) \|/gm)]
    const explained = rows.flatMap(([, cell]) => (cell as string).match(/[\w.[\]-]+/g) ?? [])
    expect(explained.sort()).to.deep.equal([...fieldsOf(stats, '')].sort())
  })

  it('is JSON as it stands', async () => {
    await open('/a')
    const stats = await events.stats()
    const told: FileSignalStats = JSON.parse(JSON.stringify(stats))
    expect(told.streams).to.deep.equal(stats.streams)
    expect(told.latency).to.deep.equal(stats.latency)
  })
})
