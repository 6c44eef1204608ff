import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import {
  createFileSignal,
  type FileSignal,
  FileSignalError,
  type KoaRoutes,
  memory,
  memorySignal,
  type PayloadEngine,
  type PayloadFactory,
} from 'file-signal'
import Koa from 'koa'
import { Counter, Registry } from 'prom-client'
import { type Family, readPrometheus } from './support/prometheus.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

const OPEN = { authorize: () => true }

describe('metrics()', () => {
  let events: FileSignal
  let servers: Server[]
  let clients: Client[]

  beforeEach(() => {
    servers = []
    clients = []
    events = create()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await events.close()
    for (const server of servers) {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })

  function create(payload: PayloadFactory = memory()): FileSignal {
    return createFileSignal({ payload, signal: memorySignal(), poll: 50, onError: () => {} })
  }

  async function serve(...routers: KoaRoutes[]): Promise<string> {
    const app = new Koa()
    app.silent = true
    for (const router of [...routers, events.routes(OPEN)]) app.use(router.routes())
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    servers.push(server)
    await once(server, 'listening')
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  const ask = (url: string) => fetch(url, { headers: { Connection: 'close' } })
  const scrape = async (base: string) => readPrometheus(await (await ask(`${base}/metrics`)).text())

  /** The one value of a metric, or that of a label's value. */
  function read(families: Map<string, Family>, name: string, label?: string): number | undefined {
    const family = families.get(`file_signal_${name}`)
    if (!family) throw new Error(`no metric file_signal_${name}`)
    return family.samples.find(({ labels }) => label === undefined || Object.values(labels).includes(label))
      ?.value
  }

  async function listen(base: string, key: string): Promise<Client> {
    const client = await stream(`${base}/stream/${encodeURIComponent(key)}.sse`)
    clients.push(client)
    return client
  }

  it('tells in the text form of Prometheus what stats() tells', async () => {
    const base = await serve(events.metrics(OPEN))
    await Promise.all([listen(base, 'a'), listen(base, 'a'), listen(base, 'b')])
    await until(async () => (await events.stats()).streams.live === 3, 'three live')
    for (let i = 0; i < 7; i += 1) await events.signal('a', i)
    await events.signal('nobody listens', 0)
    await until(
      () => clients[0]?.payloads().length === 7 && clients[1]?.payloads().length === 7,
      'seven events',
    )
    clients.pop()?.close()
    await until(async () => (await events.stats()).streams.closed === 1, 'one that has left')

    const response = await ask(`${base}/metrics`)
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.equal('text/plain; version=0.0.4; charset=utf-8')
    expect(response.headers.get('cache-control')).to.equal('no-store')
    const found = readPrometheus(await response.text())
    const { streams, store, latency } = await events.stats()
    const told = {
      streams_open: 2,
      streams_live: 2,
      streams_behind: 0,
      streams_lag_rows: 0,
      streams_opened_total: 3,
      streams_closed_total: 1,
      listened_keys: 1,
      sent_events_total: 14,
      sent_bytes_total: streams.bytes,
      waiting_bytes: 0,
      watching: 1,
      store_rows: 8,
      store_keys: 2,
      store_bytes: store.bytes,
      store_limit_bytes: 128 * 1024 * 1024,
      store_newest_row: 8,
    }
    for (const [name, value] of Object.entries(told)) expect(read(found, name), name).to.equal(value)
    expect(read(found, 'wakes_total', 'local')).to.equal(8)
    expect(read(found, 'healthy', 'store')).to.equal(1)
    expect(read(found, 'healthy', 'signal')).to.equal(1)
    const histogram = found.get('file_signal_latency_seconds')?.samples ?? []
    expect(histogram.find(({ name }) => name.endsWith('_count'))?.value).to.equal(7)
    expect(histogram.find(({ name }) => name.endsWith('_sum'))?.value).to.equal(latency.sum / 1000)
    expect(histogram.find(({ labels }) => labels.le === '0.05')?.value).to.be.within(1, 7)
    expect([...found.keys()].every((name) => name.startsWith('file_signal_'))).to.equal(true)
  })

  it('has counters that only rise', async () => {
    const base = await serve(events.metrics(OPEN))
    const counters = async () => {
      const found = [...(await scrape(base))].filter(([, { type }]) => type !== 'gauge')
      return found
        .flatMap(([, { samples }]) => samples)
        .map((one) => [JSON.stringify([one.name, one.labels]), one.value] as const)
    }
    let before = new Map(await counters())
    expect(before.size).to.be.above(30)
    for (let round = 0; round < 4; round += 1) {
      const client = await listen(base, 'a')
      await events.signal('a', round)
      await until(() => client.payloads().length === 1, 'the event')
      if (round > 1) client.close()
      const after = new Map(await counters())
      for (const [name, value] of before) expect(after.get(name), name).to.be.at.least(value)
      expect(after.get('["file_signal_sent_events_total",{}]')).to.be.above(
        before.get('["file_signal_sent_events_total",{}]') ?? Number.POSITIVE_INFINITY,
      )
      before = after
    }
  })

  it('asks authorize at each request, and tells strangers nothing', async () => {
    const base = await serve(
      events.metrics({
        prefix: '/internal',
        authorize: async (ctx) => ctx.get('Authorization') === 'Bearer secret',
      }),
    )
    const refused = await ask(`${base}/internal/metrics`)
    expect([refused.status, await refused.text()]).to.deep.equal([403, 'Forbidden\n'])
    const headers = { Authorization: 'Bearer secret', Connection: 'close' }
    expect((await fetch(`${base}/internal/metrics`, { headers })).status).to.equal(200)
    expect((await ask(`${base}/metrics`)).status).to.equal(404)
  })

  it('leaves to Koa what authorize throws', async () => {
    const authorize = () => {
      throw Object.assign(new Error('who are you?'), { status: 401, expose: true })
    }
    const response = await ask(`${await serve(events.metrics({ authorize }))}/metrics`)
    expect([response.status, await response.text()]).to.deep.equal([401, 'who are you?'])
  })

  it('refuses options that are wrong', () => {
    const wrong: [unknown, RegExp][] = [
      [undefined, /metrics\(\) was given no authorize; pass/],
      [{ prefix: '/x' }, /metrics\(\) was given no authorize/],
      [{ ...OPEN, prefix: 'x/' }, /prefix is "x\/"/],
      [{ ...OPEN, keys: -1 }, /keys is -1/],
      [{ ...OPEN, keys: 1001 }, /keys is 1001/],
      [{ ...OPEN, register: {} }, /register is \{\}; use a Registry of prom-client/],
      [{ ...OPEN, path: '/x' }, /metrics has no option "path"/],
    ]
    for (const [options, message] of wrong) {
      expect(() => events.metrics(options as Parameters<FileSignal['metrics']>[0]))
        .to.throw(FileSignalError, message)
        .with.property('code', 'OPTION_INVALID')
    }
  })

  it('has the metrics that docs/figures.md explains, with their types', async () => {
    const found = await scrape(await serve(events.metrics({ ...OPEN, keys: 1 })))
    const page = readFileSync(new URL('../docs/figures.md', import.meta.url), 'utf8')
    const rows = [...page.matchAll(/^\| (`file_signal_[^|]+) \| (\w+) \|/gm)]
    const explained = rows.flatMap(([, cell = '', type]) =>
      (cell.match(/\w+/g) ?? []).map((name) => `${name} ${type}`),
    )
    expect(explained.sort()).to.deep.equal([...found].map(([name, { type }]) => `${name} ${type}`).sort())
  })

  it('adds to the register of the app, once, and sends that whole', async () => {
    const register = new Registry()
    const visits = new Counter({ name: 'visits_total', help: 'Of the app.', registers: [register] })
    const base = await serve(events.metrics({ ...OPEN, register }))
    visits.inc(3)
    const found = await scrape(base)
    expect(found.get('visits_total')?.samples[0]?.value).to.equal(3)
    expect(read(found, 'streams_open')).to.equal(0)
    expect(() => events.metrics({ ...OPEN, register }))
      .to.throw(FileSignalError, /register has a metric file_signal_info already; call metrics\(\) once/)
      .with.property('code', 'OPTION_INVALID')
    register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as unknown as typeof register.contentType)
    const response = await ask(`${base}/metrics`)
    expect(response.headers.get('content-type')).to.match(/^application\/openmetrics-text/)
    const text = await response.text()
    expect(text).to.match(/^# TYPE file_signal_sent_events counter\nfile_signal_sent_events_total 0$/m)
  })

  it('names keys only where it is asked to, the busiest ones, and whatever characters they have', async () => {
    const odd = 'a"b\\c}d ä'
    const base = await serve(events.metrics(OPEN), events.metrics({ ...OPEN, prefix: '/keys', keys: 2 }))
    await Promise.all(['quiet', odd, odd, 'b'].map((key) => listen(base, key)))
    await until(async () => (await events.stats()).streams.live === 4, 'four live')
    await events.signalMany([odd, 'b', odd].map((key) => ({ key, payload: 0 })))
    await until(async () => (await events.stats()).streams.events === 5, 'all events')
    const plain = await (await ask(`${base}/metrics`)).text()
    expect(plain).to.not.include('quiet')
    expect([...readPrometheus(plain).keys()]).to.not.include('file_signal_key_streams')
    const named = await scrape(`${base}/keys`)
    const shown = (name: string) => named.get(name)?.samples.map(({ labels, value }) => [labels.key, value])
    expect(shown('file_signal_key_recent_events')).to.deep.equal([
      [odd, 2],
      ['b', 1],
    ])
    expect(shown('file_signal_key_streams')).to.deep.equal([
      [odd, 2],
      ['b', 1],
    ])
  })

  describe('where the store', () => {
    function failing(stats: PayloadEngine['stats']): PayloadFactory {
      return (site) => ({ ...memory()(site), stats })
    }

    it('fails or hangs, tell of the streams all the same', async () => {
      const broken = [
        () => Promise.reject(new FileSignalError('STORE_BUSY', 'no')),
        () => new Promise<never>(() => {}),
      ].map((stats) => create(failing(stats)))
      try {
        const base = await serve(...broken.map((one, i) => one.metrics({ ...OPEN, prefix: `/${i}` })))
        const found = await Promise.all(broken.map((_, i) => scrape(`${base}/${i}`)))
        for (const one of found) {
          expect(read(one, 'streams_open')).to.equal(0)
          expect(one.get('file_signal_store_rows')?.samples).to.deep.equal([])
        }
      } finally {
        for (const one of broken) await one.close()
      }
    })

    it('has failed and been reported, count that, and say that it is not well', async () => {
      let fails = true
      const refused = new FileSignalError('STORE_UNWRITABLE', 'somebody has changed its rights')
      const own = create((site) => {
        const engine = memory()(site)
        const head: PayloadEngine['head'] = () => (fails ? Promise.reject(refused) : engine.head())
        return { ...engine, head }
      })
      try {
        const base = await serve(own.metrics({ ...OPEN, prefix: '/own' }))
        const subscriber = own.subscribe('a')
        const next = subscriber.next()
        const look = () => scrape(`${base}/own`)
        const sick = await until(async () => {
          const found = await look()
          return read(found, 'healthy', 'store') === 0 && found
        }, 'trouble')
        expect(read(sick, 'reports_total', 'STORE_UNWRITABLE')).to.equal(1)
        expect(read(sick, 'healthy', 'signal')).to.equal(1)
        const { health } = (await own.stats()).store
        expect(health).to.deep.include({ code: 'STORE_UNWRITABLE', message: refused.message })
        expect(typeof health === 'object' && Date.now() - health.at).to.be.within(0, 60_000)
        fails = false
        await until(async () => (await own.stats()).store.health === 'ok', 'a store that is well', 4000)
        const well = await look()
        expect(read(well, 'healthy', 'store')).to.equal(1)
        expect(read(well, 'reports_total', 'STORE_UNWRITABLE')).to.equal(1)
        await subscriber.return()
        await next
      } finally {
        await own.close()
      }
    })

    it('was closed, leave the app its own', async () => {
      const register = new Registry()
      new Counter({ name: 'visits_total', help: 'Of the app.', registers: [register] }).inc()
      const own = create()
      const base = await serve(own.metrics({ ...OPEN, register, prefix: '/own' }))
      await own.close()
      const found = await scrape(`${base}/own`)
      expect(found.get('visits_total')?.samples).to.have.length(1)
      expect(found.get('file_signal_streams_open')?.samples).to.deep.equal([])
    })
  })
})
