import { AsyncLocalStorage } from 'node:async_hooks'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import Router from '@koa/router'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'
import compress from 'koa-compress'
import { createSourceHandler } from '../dist/http/source.js'
import type { SourceOptions } from '../dist/source-options.js'
import type { Source } from '../dist/stream/source/source.js'
import { startExample } from './setup/example.js'
import { freshFolder } from './support/folder.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, stream } from './support/sse.js'
import { until } from './support/wait.js'

let clients: Client[]

async function open(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await stream(url, options)
  clients.push(client)
  return client
}

/** The data of all messages but ready. */
const data = (client: Client) => client.messages.slice(1).map((message) => message.data)

describe('streamFrom with share: true', () => {
  let rig: Rig

  const serve = (source: Source<null>, options: Omit<SourceOptions<never, true>, 'authorize'> = {}) =>
    rig.serve(createSourceHandler(rig, source, { ...options, share: true }))
  const codes = () => rig.reports.map(({ code }) => code)
  const streams = () => rig.streams.stats().streams

  /** A source whose items the test gives out one by one; `runs` tells of each run whether it was aborted. */
  function createGiver() {
    const runs: AbortSignal[] = []
    const given: unknown[] = []
    let more = () => {}
    async function* source(context: null, { signal }: { signal: AbortSignal }) {
      if (context !== null) throw new Error('a shared run has no context')
      runs.push(signal)
      for (;;) {
        while (given.length > 0) {
          const item = given.shift()
          if (item === 'END') return
          if (item === 'THROW') throw new Error('told so')
          yield item
        }
        await new Promise<void>((resolve) => {
          more = resolve
        })
      }
    }
    const give = (...items: unknown[]) => {
      given.push(...items)
      more()
    }
    return { source, runs, give }
  }

  beforeEach(() => {
    clients = []
    rig = createRig({ buffer: 64 * 1024 })
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
    expect(rig.streams.stats()).to.include({ streams: 0, waiting: 0 })
  })

  it('asks a callback once an interval for 100 clients, who all get each value', async () => {
    let calls = 0
    const contexts = new Set<unknown>()
    const url = await serve(
      (context, { lastEventId }) => {
        contexts.add(context).add(lastEventId)
        return ++calls
      },
      { every: 30 },
    )
    const all = await Promise.all(Array.from({ length: 100 }, () => open(url)))
    const counted = calls
    await until(() => all.every((client) => Number(data(client).at(-1)) >= counted + 5), 'five more values')
    for (const client of all) {
      const values = data(client).map(Number)
      const first = values[0] ?? 0
      expect(values).to.deep.equal(values.map((_, i) => first + i))
    }
    expect([...contexts]).to.deep.equal([null])
  })

  it('gives a newcomer a callback’s last value at once', async () => {
    let calls = 0
    const url = await serve(() => ++calls, { every: '1h' })
    const first = await open(url)
    await until(() => data(first).length === 1, 'the value')
    const second = await open(url)
    await until(() => data(second).length === 1, 'the same value')
    expect([data(second), calls]).to.deep.equal([['1'], 1])
  })

  it('gives a newcomer nothing of what a callback said before where replay is "none"', async () => {
    const answers = ['early', null, null, null]
    const url = await serve(() => (answers.length > 0 ? answers.shift() : 'later'), {
      every: 20,
      replay: 'none',
    })
    const first = await open(url)
    await until(() => data(first).includes('"early"'), 'the early value')
    const second = await open(url)
    await until(() => data(second).length > 0, 'a later value')
    expect(data(second)[0]).to.equal('"later"')
  })

  it('runs an iterable once, from the first client to the last, and anew for the next', async () => {
    const { source, runs, give } = createGiver()
    const url = await serve(source)
    const first = await open(url)
    give('a')
    await until(() => data(first).length === 1, 'the first item')
    const second = await open(url)
    give('b')
    await until(() => data(second).length === 1 && data(first).length === 2, 'the second item')
    expect([data(first), data(second)]).to.deep.equal([['"a"', '"b"'], ['"b"']])
    first.close()
    await until(() => streams() === 1, 'the first to leave')
    expect(runs.map(({ aborted }) => aborted)).to.deep.equal([false])
    second.close()
    await until(() => runs[0]?.aborted, 'the end of the run')
    const third = await open(url)
    await until(() => runs.length === 2, 'a new run')
    expect([runs.map(({ aborted }) => aborted), data(third)]).to.deep.equal([[true, false], []])
  })

  it('gives a newcomer an iterable’s last item where replay is "last"', async () => {
    const { source, give } = createGiver()
    const url = await serve(source, { replay: 'last' })
    const first = await open(url)
    give(1, 2)
    await until(() => data(first).length === 2, 'two items')
    const second = await open(url)
    await until(() => data(second).length === 1, 'the last item')
    expect(data(second)).to.deep.equal(['2'])
  })

  it('ends all with [DONE], and begins anew for who comes afterwards', async () => {
    const { source, runs, give } = createGiver()
    const url = await serve(source)
    const both = [await open(url), await open(url)]
    give(1, 'END')
    await until(() => both.every(({ ended }) => ended), 'the end')
    expect(both.map(data)).to.deep.equal([
      ['1', '[DONE]'],
      ['1', '[DONE]'],
    ])
    await open(url)
    await until(() => runs.length === 2, 'a new run')
    expect(runs[0]?.aborted).to.equal(false)
  })

  it('tells all of an iterable that throws, and reports it once', async () => {
    const { source, give } = createGiver()
    const url = await serve(source)
    const both = [await open(url), await open(url)]
    give(1, 'THROW')
    await until(() => both.every(({ ended }) => ended), 'the end')
    for (const client of both) expect(data(client)).to.deep.equal(['1', '{"reason":"failed"}', '[DONE]'])
    expect(codes()).to.deep.equal(['SOURCE_FAILED'])
  })

  it('lets all read a bare iterator, which has ended for who comes afterwards', async () => {
    const { source, give } = createGiver()
    const url = await serve(source(null, { signal: new AbortController().signal }))
    const both = [await open(url), await open(url)]
    give(1, 'END')
    await until(() => both.every(({ ended }) => ended), 'the end')
    for (const client of both) expect(data(client)).to.deep.equal(['1', '[DONE]'])
    const late = await open(url)
    await until(() => late.ended, 'the end')
    expect([data(late), codes()]).to.deep.equal([['[DONE]'], []])
  })

  it('tells who comes after the last has left a bare iterator that the rest cannot be had', async () => {
    const { source, give } = createGiver()
    const url = await serve(source(null, { signal: new AbortController().signal }))
    const first = await open(url)
    give(1)
    await until(() => data(first).length === 1, 'the item')
    first.close()
    await until(() => streams() === 0, 'the client to leave')
    const late = await open(url)
    await until(() => late.ended, 'the end')
    expect(data(late)).to.deep.equal(['{"reason":"used"}', '[DONE]'])
    expect(codes()).to.deep.equal(['SOURCE_USED'])
  })

  it('gives a slow client the newest value of a callback when it reads again, and delays nobody', async () => {
    let last = 0
    let isGiving = true
    const filling = 'x'.repeat(500_000)
    const url = await serve(() => (isGiving ? { n: ++last, filling } : null), { every: 20 })
    const numbers = (client: Client) => data(client).map((text) => JSON.parse(text).n as number)
    const slow = await open(url)
    slow.pause()
    const quick = await open(url)
    await until(() => rig.streams.stats().waiting > 64 * 1024, 'a full socket', 10_000)
    const { length } = data(quick)
    await until(() => data(quick).length > length + 5, 'more for the quick one')
    isGiving = false
    expect(rig.streams.stats().waiting).to.be.below(2_000_000)
    slow.resume()
    await until(() => numbers(slow).at(-1) === last && numbers(quick).at(-1) === last, 'the newest')
    const steps = (values: number[]) => values.slice(1).map((n, i) => n - (values[i] ?? 0))
    expect(steps(numbers(slow)).filter((step) => step !== 1)).to.have.length(1)
    expect(steps(numbers(quick)).filter((step) => step !== 1)).to.deep.equal([])
  })

  it('ends a client that reads an iterable too slowly, with the reason, and delays nobody', async () => {
    const total = 200
    const url = await serve(async function* () {
      await until(() => clients.length === 2, 'both clients')
      for (let i = 0; i < total; i += 1) {
        await turn()
        yield `${i} ${'x'.repeat(100_000)}`
      }
    })
    const slow = await open(url)
    slow.pause()
    const quick = await open(url)
    await until(() => quick.ended, 'all of it', 10_000)
    expect(data(quick)).to.have.length(total + 1)
    expect(data(quick).at(-1)).to.equal('[DONE]')
    slow.resume()
    await until(() => slow.ended, 'the end of the slow one')
    expect(data(slow).slice(-2)).to.deep.equal(['{"reason":"slow"}', '[DONE]'])
    expect(data(slow).length).to.be.below(total)
  })

  it('leaves a slow client the time to read the last words, when the iterable has ended for others', async () => {
    const { source, give } = createGiver()
    const handle = createSourceHandler(rig, source, { share: true })
    const responses: ServerResponse[] = []
    const url = await rig.serve((req, res) => {
      responses.push(res)
      void handle(req, res)
    })
    const slow = await open(url)
    slow.pause()
    const quick = await open(url)
    let items = 0
    const isBlocked = () => (responses[0]?.writableLength ?? 0) > 0
    while (!isBlocked()) {
      give('x'.repeat(20_000))
      items += 1
      await until(() => data(quick).length === items, 'the item')
    }
    give('END')
    await until(() => quick.ended, 'the end of the quick one')
    expect(responses.map((response) => response.writableEnded)).to.deep.equal([false, true])
    slow.resume()
    await until(() => slow.ended, 'the end of the slow one')
    expect([data(slow).length, data(slow).at(-1)]).to.deep.equal([items + 1, '[DONE]'])
  })

  it('knows nothing of the request that began it, not even by AsyncLocalStorage', async () => {
    const users = new AsyncLocalStorage<string>()
    const listen = (share: boolean) => {
      const handle = createSourceHandler(rig, () => users.getStore() ?? 'nobody', { share, every: 20 })
      return rig.serve((req, res) => users.run('somebody', () => void handle(req, res)))
    }
    const own = await open(await listen(false))
    const shared = await open(await listen(true))
    await until(() => data(own).length > 1 && data(shared).length > 1, 'two turns')
    expect([data(own)[1], data(shared)[0], data(shared)[1]]).to.deep.equal([
      '"somebody"',
      '"nobody"',
      '"nobody"',
    ])
  })

  it('lets its only client read in its own time', async () => {
    let pulled = 0
    const url = await serve(function* () {
      while (pulled < 500) yield `${++pulled}${'x'.repeat(60_000)}`
    })
    const client = await open(url)
    client.pause()
    await until(() => rig.streams.stats().waiting > 0, 'a full socket')
    expect(pulled).to.be.below(500)
    client.resume()
    await until(() => client.ended, 'the end', 10_000)
    expect(data(client)).to.have.length(501)
    expect(data(client).at(-1)).to.equal('[DONE]')
  })
})

describe('streamFrom in an app', () => {
  beforeEach(() => {
    clients = []
  })
  afterEach(() => {
    for (const client of clients) client.close()
  })

  it('touches no store, streams through Koa’s compression, and ends with the instance', async () => {
    const root = freshFolder()
    const events = createFileSignal({ root, poll: 20 })
    const router = new Router()
    router.get(
      '/clock/:zone',
      events.streamFrom((ctx) => ({ zone: ctx.params.zone })),
    )
    router.get('/list', events.streamFrom(['a', 'b'], { authorize: (ctx) => ctx.get('x-user') === 'me' }))
    router.get(
      '/shared',
      events.streamFrom((ctx) => ctx, { share: true, every: 20, event: 'tick' }),
    )
    const app = new Koa().use(compress({ threshold: 0 })).use(router.routes())
    const server = app.listen(0)
    const handled = createServer(events.handlerFrom(({ req }) => req.url)).listen(0)
    try {
      const base = await until(() => addressOf(server), 'the app')
      const clock = await open(`${base}/clock/utc`, { headers: { 'Accept-Encoding': 'gzip' } })
      await until(() => data(clock).length > 2, 'ticks at the instance’s poll')
      expect(data(clock)[2]).to.equal('{"zone":"utc"}')
      expect((await fetch(`${base}/list`)).status).to.equal(403)
      const list = await open(`${base}/list`, { headers: { 'X-User': 'me' } })
      await until(() => list.isDone() && list.ended, 'the end')
      const again = { 'X-User': 'me', 'Last-Event-ID': 'done' }
      expect((await fetch(`${base}/list`, { headers: again })).status).to.equal(204)
      expect((await fetch(`${base}/list`, { method: 'HEAD', headers: again })).status).to.equal(200)
      await open(`${base}/shared`)
      const other = await open(`${await until(() => addressOf(handled), 'the handler')}/x`)
      await until(() => data(other)[0] === '"/x"', 'the item')
      expect(readdirSync(root)).to.deep.equal([])
    } finally {
      await events.close()
      for (const one of [server, handled]) {
        one.closeAllConnections()
        one.close()
      }
    }
    await until(() => clients.every(({ ended }) => ended), 'the end of all streams')
    expect(existsSync(join(root, 'data'))).to.equal(false)
  })

  it('is what the example’s page listens to: one clock for all, an answer for each, none for who has left', async () => {
    const example = await startExample('stream-from')
    let source: EventSource | null = null
    try {
      const clocks = [await open(`${example.address}clock.sse`), await open(`${example.address}clock.sse`)]
      await until(() => clocks.every((clock) => data(clock).length > 1), 'two values')
      const [first, second] = clocks.map((clock) => clock.payloads() as { asked: number; writing: number }[])
      expect(second?.[1]).to.deep.equal(first?.find(({ asked }) => asked === second?.[1]?.asked))

      const words: string[] = []
      source = new EventSource(`${example.address}answer.sse?question=Who%3F`)
      source.onmessage = (message) => words.push(message.data)
      const brief = await open(`${example.address}answer.sse?question=x`)
      await until(() => brief.payloads().length > 0, 'the first word')
      brief.close()
      await until(() => words.at(-1) === '[DONE]', 'the end')
      expect(
        words
          .slice(0, -1)
          .map((word) => JSON.parse(word))
          .join(''),
      ).to.match(/^You ask: “Who\?” .* you read\.$/)
      const last = () => clocks[0]?.payloads().at(-1) as { writing: number }
      await until(() => last().writing === 0, 'nobody to be answered')
    } finally {
      source?.close()
      expect(await example.stop()).to.equal(0)
    }
  })

  it('ends when a panel restarts the app', async () => {
    const root = freshFolder()
    mkdirSync(join(root, 'tmp'))
    const events = createFileSignal({ root })
    const server = createServer(events.handlerFrom(() => 1)).listen(0)
    try {
      const client = await open(await until(() => addressOf(server), 'the server'))
      // What stands there at the first look is no restart, and nobody tells when that was.
      await until(() => {
        writeFileSync(join(root, 'tmp/restart.txt'), String(performance.now()))
        return client.ended
      }, 'the end')
      expect(client.isDone()).to.equal(false)
    } finally {
      await events.close()
      server.closeAllConnections()
      server.close()
    }
  })
})

function addressOf(server: ReturnType<typeof createServer>): string | null {
  const address = server.address()
  return typeof address === 'object' && address ? `http://127.0.0.1:${address.port}` : null
}
