import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import fc from 'fast-check'
import { createFileSignal, type FileSignal, type FileSignalOptions } from 'file-signal'
import Koa from 'koa'
import { readListedEvents, readSeconds } from '../dist/environment.js'
import { FileSignalError } from '../dist/errors.js'
import { createKoaRoutes, type KoaRoutesOptions } from '../dist/http/koa.js'
import { ENVIRONMENT, type Environment } from '../dist/options.js'
import { memory } from '../dist/payload/memory.js'
import { startExample } from './setup/example.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, connect, type Message, stream } from './support/sse.js'
import { until } from './support/wait.js'

const MOST = 1000
const list = (text: string | undefined) => readListedEvents('SSE_EVENTS', text, MOST)
const seconds = (text: string | undefined) => readSeconds('SSE_POLL_INTERVAL', text, [20, 3_600_000])

/** What the environment of this process says for the time of one test. */
function setEnvironment(values: Environment): void {
  for (const name of [ENVIRONMENT.events, ENVIRONMENT.duration, ENVIRONMENT.poll]) {
    const value = values[name]
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

describe('SSE_EVENTS', () => {
  const text = (unit: 'binary' | 'grapheme') =>
    fc
      .string({ unit, minLength: 1, maxLength: 20 })
      .filter((name) => name.isWellFormed() && !/\p{Cc}|[,;"'`]/u.test(name) && name.trim() === name)
  const blank = fc.constantFrom('', ' ', '\t ', '\n', '\r\n')

  it('lists event names by key: the first colon separates, and blanks around names do not count', () => {
    const listed = list(' order_created:orders ,toast : user:42,toast:b\r')
    expect([...(listed ?? [])]).to.deep.equal([
      ['orders', 'order_created'],
      ['user:42', 'toast'],
      ['b', 'toast'],
    ])
  })

  it('gives any list of names back', () => {
    const event = text('binary').filter((name) => !name.includes(':') && !isReserved(name))
    const key = text('binary')
    const entry = fc.record({ event, key, blanks: fc.tuple(blank, blank, blank, blank) })
    const entries = fc.uniqueArray(entry, { minLength: 1, maxLength: 8, selector: (one) => one.key })
    fc.assert(
      fc.property(entries, (given) => {
        const written = given.map(({ event, key, blanks: [a, b, c, d] }) => `${a}${event}${b}:${c}${key}${d}`)
        expect([...(list(written.join(',')) ?? [])]).to.deep.equal(
          given.map(({ event, key }) => [key, event]),
        )
      }),
      { numRuns: 300 },
    )
  })

  it('is a list or a coded error that names it, whatever stands there', () => {
    const part = fc.oneof(fc.constantFrom(':', ',', ' ', 'a', 'end', 'a:b', ',,', ';', '"'), text('grapheme'))
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const given = parts.join('')
        try {
          const listed = list(given)
          expect(listed === null).to.equal(given.trim() === '')
          expect(listed?.size).to.equal(listed ? given.split(',').length : undefined)
        } catch (error) {
          if (!(error instanceof FileSignalError)) throw error
          expect(error.message).to.match(/^(OPTION|EVENT|KEY)_INVALID: entry \d+ of SSE_EVENTS, ".* has /s)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is as if not there when it is empty or blank', () => {
    for (const nothing of [undefined, '', '  ', '\r']) expect(list(nothing)).to.equal(null)
  })

  it('is refused with the entry that is wrong', () => {
    const long = 'x'.repeat(201)
    const cases: [string, string, string][] = [
      ['orders', 'OPTION_INVALID', 'entry 1 of SSE_EVENTS, "orders", has no colon; write event:key'],
      ['a:b,,c:d', 'OPTION_INVALID', 'entry 2 of SSE_EVENTS, "", has no colon'],
      ['a:b,', 'OPTION_INVALID', 'entry 2 of SSE_EVENTS, "", has no colon'],
      [
        'a:b, c : b ',
        'OPTION_INVALID',
        'entry 2 of SSE_EVENTS, "c : b", has the key of an earlier one; list each',
      ],
      ['a:b,open:c', 'EVENT_INVALID', 'entry 2 of SSE_EVENTS, "open:c", has an event name that is reserved'],
      [':b', 'EVENT_INVALID', 'entry 1 of SSE_EVENTS, ":b", has an event name that is empty; use 1 to 200'],
      ['a\u0007:b', 'EVENT_INVALID', 'has an event name that contains a line break or another control'],
      [`${long}:b`, 'EVENT_INVALID', 'has an event name that has more than 200 characters'],
      ['a:', 'KEY_INVALID', 'entry 1 of SSE_EVENTS, "a:", has a key that is empty; use 1 to 200 characters'],
      ['a:b\nc', 'KEY_INVALID', 'has a key that contains a line break'],
      ['a:\ud800', 'KEY_INVALID', 'has a key that is not well-formed'],
      [
        '"a:b"',
        'OPTION_INVALID',
        'entry 1 of SSE_EVENTS, "\\"a:b\\"", has a quote at its end; leave quotes out',
      ],
      ["'a:b,c:d'", 'OPTION_INVALID', `entry 1 of SSE_EVENTS, "'a:b", has a quote at its end`],
      ['a:b,c:"d"', 'OPTION_INVALID', 'entry 2 of SSE_EVENTS, "c:\\"d\\"", has a quote at its end'],
      [
        'a:b;c:d',
        'OPTION_INVALID',
        'entry 1 of SSE_EVENTS, "a:b;c:d", has another behind a semicolon; separate',
      ],
      ['a:b; c d : e', 'OPTION_INVALID', 'has another behind a semicolon'],
    ]
    for (const [given, code, message] of cases) {
      expect(() => list(given), given)
        .to.throw(FileSignalError, message)
        .with.property('code', code)
    }
    for (const key of ['b;c', 'b;', 'b; :c', "b'c"]) expect(list(`a:${key}`)?.get(key), key).to.equal('a')
    const many = Array.from({ length: MOST + 1 }, (_, i) => `a:${i}`)
    expect(list(many.slice(1).join())?.size).to.equal(MOST)
    expect(() => list(many.join())).to.throw(
      FileSignalError,
      'entry 1001 of SSE_EVENTS, "a:1000", is one too many',
    )
  })

  it('ends the start of an app where it is wrong, and says where', () => {
    const server = fileURLToPath(new URL('../examples/zero-code/server.js', import.meta.url))
    const env = { ...process.env, PORT: '0', SSE_EVENTS: 'order_created:orders,toast' }
    const { status, stderr } = spawnSync(process.execPath, [server], {
      env,
      encoding: 'utf8',
      timeout: 10_000,
    })
    expect(status).to.equal(1)
    expect(stderr).to.include('OPTION_INVALID: entry 2 of SSE_EVENTS, "toast", has no colon')
  })
})

describe('seconds in the environment', () => {
  it('are decimal numbers, blanks around them do not count, and nothing is nothing', () => {
    for (const nothing of [undefined, '', ' \r\n']) expect(seconds(nothing)).to.equal(null)
    const cases = {
      '15': 15_000,
      ' 2\r': 2000,
      '0.5': 500,
      '.25': 250,
      '007': 7000,
      '0.02': 20,
      '3600': 3_600_000,
    }
    for (const [text, wanted] of Object.entries(cases)) expect(seconds(text), text).to.equal(wanted)
  })

  it('are refused where they are none, zero, negative or absurd', () => {
    const bad = ['0', '0.0', '-1', '+1', '2s', '1e3', '0x10', '1,5', '1.', '.', '1 5', 'NaN', 'Infinity', '٣']
    for (const text of [...bad, '0.019', '3600.1', '9'.repeat(400)]) {
      expect(() => seconds(text), text)
        .to.throw(FileSignalError, 'SSE_POLL_INTERVAL is "')
        .that.includes({ code: 'OPTION_INVALID' })
        .with.property('remedy', 'use seconds such as 15 or 0.5, from 0.02 to 3600')
    }
    for (const text of ['"15"', "'15'", '15"']) {
      expect(() => seconds(text), text).to.throw(FileSignalError, 'from 0.02 to 3600, without quotes.')
    }
  })
})

describe('a stream from the environment', () => {
  const before: Environment = { ...process.env }
  let rig: Rig
  let clients: Client[]

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    setEnvironment(before)
    for (const client of clients) client.close()
    await rig.close()
    expect(rig.reports).to.deep.equal([])
  })

  async function open(url: string): Promise<Client> {
    const client = await stream(url)
    clients.push(client)
    return client
  }

  /** An app with the routes alone, under `env`, which counts at the time of the call only. */
  async function serve(env: Environment, options: Partial<KoaRoutesOptions> = {}): Promise<string> {
    setEnvironment(env)
    const router = createKoaRoutes(rig, { authorize: () => true, ...options })
    setEnvironment({})
    return rig.serve(new Koa().use(router.routes()).callback())
  }

  const eventsOf = (client: Client) =>
    client.messages.slice(1).map(({ event, key, data }: Message) => [event, key, data])

  it('carries each listed key under its name, whatever the signal or the payload call it', async () => {
    const env = { SSE_EVENTS: 'order_created:orders,toast:user:42,toast:news' }
    const url = await serve(env, { prefix: '/live', event: 'default', eventFromPayload: true })
    const client = await open(`${url}/live/sse/stream`)
    const [, , n = 0] = await rig.append(
      { key: 'orders', payload: '{"event":"own"}', event: 'named' },
      { key: 'unlisted', payload: '1' },
      { key: 'user:42', payload: '"null"' },
      { key: 'news' },
    )
    expect(n).to.equal(3)
    rig.streams.wake('local')
    await until(() => client.messages.length === 4, 'the events')
    const [, , , last] = client.messages
    expect(eventsOf(client)).to.deep.equal([
      ['order_created', 'orders', '{"event":"own"}'],
      ['toast', 'user:42', '"null"'],
      ['toast', 'news', JSON.stringify({ timestamp: new Date(last?.at ?? 0).toISOString() })],
    ])
    const own = await open(`${url}/live/stream.sse?key=orders&key=news`)
    await rig.append({ key: 'orders', payload: '2', event: 'named' }, { key: 'news' })
    rig.streams.wake('local')
    await until(() => own.messages.length === 3 && client.messages.length === 6, 'the events of both')
    expect(eventsOf(own)).to.deep.equal([
      ['named', 'orders', '2'],
      ['default', 'news', 'null'],
    ])
  })

  it('leaves it to beforeSend what is sent, under another name where that gives one', async () => {
    const given = new Map<unknown, unknown>([
      [null, { fresh: 1 }],
      [2, { event: 'hydrated', data: { fresh: 2 } }],
      [3, { event: null, data: null }],
      [4, { event: 'payload’s own', fresh: 4 }],
    ])
    const beforeSend = ({ payload }: { payload: unknown }) => given.get(payload)
    const url = await serve({ SSE_EVENTS: 'a:one,b:two' }, { beforeSend, eventFromPayload: true })
    const client = await open(`${url}/sse/stream`)
    await rig.append({ key: 'one' }, { key: 'one', payload: '2' }, { key: 'one', payload: '3' })
    await rig.append({ key: 'two', payload: '4', event: 'own' })
    rig.streams.wake('local')
    await until(() => client.messages.length === 5, 'the events')
    expect(eventsOf(client)).to.deep.equal([
      ['a', 'one', '{"fresh":1}'],
      ['hydrated', 'one', '{"fresh":2}'],
      [undefined, 'one', 'null'],
      ['b', 'two', '{"event":"payload’s own","fresh":4}'],
    ])
  })

  it('answers short as other streams do', async () => {
    const url = `${await serve({ SSE_EVENTS: 'a:one,b:two' })}/sse/stream?mode=short`
    const first = await open(url)
    await rig.put('two', 2)
    const answer = await connect(url, { headers: { 'Last-Event-ID': first.lastId() ?? '' } })
    clients.push(answer)
    await until(() => answer.ended, 'the whole answer')
    expect(eventsOf(answer)).to.deep.equal([['b', 'two', '2']])
  })

  it('goes on after the last id, and ends with its keys', async () => {
    const url = `${await serve({ SSE_EVENTS: 'a:one,b:two' })}/sse/stream`
    const client = await open(url)
    client.close()
    await rig.put('one', null)
    await rig.put('two', 2)
    const again = await stream(url, { headers: { 'Last-Event-ID': client.lastId() ?? '' } })
    clients.push(again)
    await until(() => again.messages.length === 3, 'what was missed')
    expect(again.messages.slice(1).map(({ event }) => event)).to.deep.equal(['a', 'b'])
    await rig.end('one')
    await rig.end('two')
    await until(() => again.ended, 'the end')
    expect(again.isDone()).to.equal(true)
  })

  it('asks authorize for all its keys, and is not there without a list or without authorize', async () => {
    const asked: (readonly string[])[] = []
    const authorize = (_ctx: unknown, keys: readonly string[]) => asked.push(keys) > 1
    const url = `${await serve({ SSE_EVENTS: 'a:one,b:two' }, { authorize })}/sse/stream`
    const statuses = []
    for (const _ of [1, 2]) {
      const client = await connect(url)
      clients.push(client)
      statuses.push(client.status)
    }
    expect(statuses).to.deep.equal([403, 200])
    expect(asked).to.deep.equal([
      ['one', 'two'],
      ['one', 'two'],
    ])
    for (const text of [undefined, '', ' ']) {
      const unlisted = await serve({ SSE_EVENTS: text, SSE_STREAM_DURATION: 'unread' })
      expect((await fetch(`${unlisted}/sse/stream`, { headers: { Connection: 'close' } })).status).to.equal(
        404,
      )
    }
    setEnvironment({ SSE_EVENTS: 'a:one' })
    expect(() => createKoaRoutes(rig, {} as never))
      .to.throw(FileSignalError, 'authorize')
      .with.property('code', 'OPTION_INVALID')
  })

  it('lasts as long as SSE_STREAM_DURATION says, which is refused where it is no time', async () => {
    const url = await serve({ SSE_EVENTS: 'a:one', SSE_STREAM_DURATION: '0.06' })
    const client = await open(`${url}/sse/stream`)
    await until(() => client.ended, 'its end')
    const other = await open(`${url}/stream/one.sse`)
    await rig.put('one', 1)
    await until(() => other.payloads().length === 1, 'an event on a stream of the instance’s duration')
    expect(other.ended).to.equal(false)
    for (const text of ['0', 'soon', '99999999']) {
      setEnvironment({ SSE_EVENTS: 'a:one', SSE_STREAM_DURATION: text })
      expect(() => createKoaRoutes(rig, { authorize: () => true }))
        .to.throw(FileSignalError, `SSE_STREAM_DURATION is "${text}"`)
        .with.property('code', 'OPTION_INVALID')
    }
  })

  it('sends a time of any writer as a time, also one that has no ISO form', async () => {
    const store = rig.payload
    rig.payload = {
      ...store,
      read: async (request) => {
        const page = await store.read(request)
        return { ...page, rows: page.rows.map((row) => ({ ...row, createdAt: Number.MAX_SAFE_INTEGER })) }
      },
    }
    const client = await open(`${await serve({ SSE_EVENTS: 'a:one' })}/sse/stream`)
    await rig.put('one', null)
    await until(() => client.messages.length === 2, 'the event')
    expect(client.payloads()).to.deep.equal([{ timestamp: '+275760-09-13T00:00:00.000Z' }])
  })

  it('is what the example’s page listens to', async () => {
    const example = await startExample('zero-code')
    const events = createFileSignal({ root: example.root })
    const source = new EventSource(`${example.address}sse/stream`)
    const seen: Record<string, unknown>[] = []
    try {
      for (const name of ['order_created', 'toast', 'message']) {
        source.addEventListener(name, ({ type, data }) => seen.push({ type, ...JSON.parse(data) }))
      }
      await new Promise((resolve) => source.addEventListener('ready', resolve))
      await events.signal('orders')
      await events.signal('user_toasts', { text: 'Saved' })
      const statuses = [
        'SSE/stream/',
        'stream/orders.sse',
        'stream/others.sse',
        'stream.sse?key=orders&key=others',
      ]
      const asked = statuses.map(async (path) => {
        const response = await fetch(example.address + path)
        await response.body?.cancel()
        return response.status
      })
      expect(await Promise.all(asked)).to.deep.equal([200, 200, 403, 403])
      await until(() => seen.length === 2, 'both')
      expect(seen[0]).to.have.keys('type', 'timestamp').and.to.include({ type: 'order_created' })
      const { timestamp } = seen[0] as { timestamp: string }
      expect(new Date(timestamp).toISOString()).to.equal(timestamp)
      expect(Math.abs(Date.now() - Date.parse(timestamp))).to.be.below(60_000)
      expect(seen[1]).to.deep.equal({ type: 'toast', text: 'Saved' })
    } finally {
      source.close()
      await events.close()
      expect(await example.stop()).to.equal(0)
    }
  })
})

describe('what the code says', () => {
  const before: Environment = { ...process.env }
  let events: FileSignal | null

  beforeEach(() => {
    events = null
  })

  afterEach(async () => {
    setEnvironment(before)
    await events?.close()
  })

  /** An instance in memory, made under `env`. */
  function create(env: Environment, options: FileSignalOptions = {}): FileSignal {
    setEnvironment(env)
    events = createFileSignal({ payload: memory(), ...options })
    return events
  }

  /** Sweeps of the one reader, while somebody listens. */
  async function sweeps(instance: FileSignal, count: number): Promise<void> {
    const reader = instance.subscribe('a')
    const first = reader.next()
    await until(async () => (await instance.stats()).streams.wakes.sweep >= count, `${count} sweeps`, 4000)
    await reader.return()
    await first
  }

  it('leaves the instance’s poll to SSE_POLL_INTERVAL, which is refused where it is no time', async () => {
    await sweeps(create({ SSE_POLL_INTERVAL: '0.02' }), 20)
    for (const text of ['0', '-2', '2s', '3601']) {
      expect(() => create({ SSE_POLL_INTERVAL: text }))
        .to.throw(FileSignalError, `SSE_POLL_INTERVAL is "${text}"`)
        .with.property('code', 'OPTION_INVALID')
    }
  })

  it('beats SSE_POLL_INTERVAL', async () => {
    await sweeps(create({ SSE_POLL_INTERVAL: '3600' }, { poll: 20 }), 20)
    create({ SSE_POLL_INTERVAL: 'unread' }, { poll: 20 })
  })

  it('beats SSE_STREAM_DURATION, for the routes or for the instance', async () => {
    const env = { SSE_EVENTS: 'a:one', SSE_STREAM_DURATION: '3600' }
    for (const [ofInstance, ofRoutes] of [
      [60, {}],
      ['1h', { duration: 60 }],
    ] as const) {
      const instance = create(env, { duration: ofInstance })
      const router = instance.routes({ authorize: () => true, ...ofRoutes })
      const server = new Koa().use(router.routes()).listen(0, '127.0.0.1')
      try {
        await until(() => server.listening, 'a port')
        const { port } = server.address() as { port: number }
        const client = await stream(`http://127.0.0.1:${port}/sse/stream`)
        await until(() => client.ended, 'the end of the stream')
      } finally {
        server.close()
        await instance.close()
      }
    }
  })
})

function isReserved(name: string): boolean {
  return ['open', 'error', 'ready', 'reset', 'end', 'hello'].includes(name)
}
