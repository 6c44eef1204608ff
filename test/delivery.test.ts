import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { createFileSignal, type FileSignal } from 'file-signal'
import { type Child, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'
import { type Numbered, startPublisher, startWeb, type Web, type WebSetup } from './support/web.js'

describe('an event on its way from one process to a browser of another', function () {
  this.timeout(60_000)

  let root: string
  let children: Child[]
  let clients: { close(): void }[]
  let instances: FileSignal[]

  beforeEach(() => {
    root = freshFolder()
    children = []
    clients = []
    instances = []
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    for (const instance of instances) await instance.close()
    for (const child of children) await child.stop()
  })

  async function web(setup: Partial<WebSetup> = {}): Promise<Web> {
    const started = await startWeb({ keys: ['a'], options: { root }, ...setup })
    children.push(started.child)
    return started
  }

  function publisher(count: number, more: { from?: number; gap?: number; oneByOne?: boolean } = {}): Child {
    const child = startPublisher({ key: 'a', count, options: { root }, ...more })
    children.push(child)
    return child
  }

  async function connect(url: string, headers: Record<string, string> = {}): Promise<Client> {
    const client = await stream(url, { headers })
    clients.push(client)
    return client
  }

  function instance(own = root): FileSignal {
    const created = createFileSignal({ root: own })
    instances.push(created)
    return created
  }

  /** A browser's EventSource, with all that it received. */
  function browser(url: string): {
    source: EventSource
    numbers: number[]
    delays: number[]
    resets: string[]
  } {
    const source = new EventSource(url)
    const received = { source, numbers: [] as number[], delays: [] as number[], resets: [] as string[] }
    source.onmessage = ({ data }) => {
      const { i, at } = JSON.parse(data) as Numbered
      received.numbers.push(i)
      received.delays.push(Date.now() - at)
    }
    source.addEventListener('reset', ({ data }) => received.resets.push(data))
    clients.push(source)
    return received
  }

  function upTo(count: number, from = 0): number[] {
    return Array.from({ length: count }, (_, i) => from + i)
  }

  it('arrives 20 times of 20 at ten a second', async () => {
    const { url } = await web()
    const { source, numbers } = browser(url)
    await until(() => source.readyState === EventSource.OPEN, 'the stream')
    await publisher(20, { gap: 100 }).ended
    await until(() => numbers.length === 20, 'all twenty')
    expect(numbers).to.deep.equal(upTo(20))
  })

  it('arrives within 250 ms in each of 200 pairs, 1 to 80 ms apart, with no third to wake it', async () => {
    const delays: number[] = []
    /** Every second pair, in a project of its own: pairs must not wake each other. */
    async function lane(first: number): Promise<void> {
      const own = freshFolder()
      const events = instance(own)
      const { url } = await web({ options: { root: own } })
      const client = await connect(url)
      const numbers: number[] = []
      for (let i = first; i < 200; i += 2) {
        await events.signal('a', { i: i * 2, at: 0 })
        await pause(1 + (i * 79) / 199)
        const at = performance.now()
        await events.signal('a', { i: i * 2 + 1, at: 0 })
        numbers.push(i * 2, i * 2 + 1)
        await until(() => client.payloads().length >= numbers.length, `pair ${i}`)
        delays.push(performance.now() - at)
      }
      expect(client.payloads().map((payload) => (payload as Numbered).i)).to.deep.equal(numbers)
    }
    await Promise.all(upTo(2).map(lane))
    expect(delays).to.have.length(200)
    expect(Math.max(...delays)).to.be.below(250)
  })

  it('arrives once and in order while the web process is killed ten times under 500 signals a second', async () => {
    let server = await web({ stream: { replay: 'all', retry: 50 } })
    const { numbers, resets } = browser(server.url)
    await until(() => server.child.lines.length > 0, 'the server')
    const publishing = publisher(4000, { gap: 2 })
    for (let kill = 1; kill <= 10; kill += 1) {
      await until(() => numbers.length >= kill * 300, `${kill * 300} events`, 20_000)
      await server.child.stop('SIGKILL')
      server = await web({ port: server.port, stream: { replay: 'all', retry: 50 } })
    }
    await publishing.ended
    await until(() => numbers.length >= 4000, 'the last event', 20_000)
    expect(numbers).to.deep.equal(upTo(4000))
    expect(resets).to.deep.equal([])
  })

  it('arrives within poll and 250 ms when its publisher is killed between commit and signal', async () => {
    const { url, stats } = await web({ options: { root, poll: 500 } })
    const client = await connect(url)
    await until(async () => (await stats()).streams.live === 1, 'a live stream')
    const dead = await start('publish-and-die', [root]).ended
    expect(dead.signal).to.equal('SIGKILL')
    await until(() => client.payloads().length === 1, 'the event')
    expect(client.messages.at(-1)?.at).to.be.closeTo(Date.now(), 750)
  })

  it('arrives from a cron job that never awaits, in the order of the calls, and the job exits', async () => {
    const { url } = await web()
    const client = await connect(url)
    const { code, stderr } = await publisher(500).ended
    expect([code, stderr]).to.deep.equal([0, ''])
    await until(() => client.payloads().length === 500, 'all')
    expect(client.payloads().map((payload) => (payload as Numbered).i)).to.deep.equal(upTo(500))
  })

  it('arrives from a publisher that was started in /', async () => {
    writeFileSync(join(root, 'package.json'), '{"name":"an-app"}')
    writeFileSync(
      join(root, 'cron.mjs'),
      `import { signal } from ${JSON.stringify(import.meta.resolve('file-signal'))}\nawait signal('a', { i: 7, at: 0 })\n`,
    )
    const { url } = await web()
    const client = await connect(url)
    const cron = spawn(process.execPath, [join(root, 'cron.mjs')], { cwd: '/', stdio: 'inherit' })
    await new Promise((resolve) => cron.once('close', resolve))
    await until(() => client.payloads().length === 1, 'the event')
    expect(client.payloads()).to.deep.equal([{ i: 7, at: 0 }])
  })

  it('gets one of 20,000 rising row numbers when four processes write 5,000 each', async () => {
    const keepAll = createFileSignal({ root, retention: { maxPerKey: false } })
    await keepAll.stats()
    await keepAll.close()
    const writers = upTo(4).map((i) => publisher(5000, { from: i * 5000, oneByOne: true }))
    // Four that never pause may keep SQLite from beginning its -wal anew, and are told so.
    const told = /^.*(STORE_TOO_LARGE|trace-warnings).*\n/gm
    for (const writer of writers) expect((await writer.ended).stderr.replace(told, '')).to.equal('')
    const { url } = await web({
      stream: { replay: 'all' },
      options: { root, retention: { maxPerKey: false } },
    })
    const client = await connect(url)
    await until(() => client.payloads().length === 20_000, 'every row', 20_000)
    const ids = client.messages.slice(1).map(({ id }) => Number(id?.split('-')[1]))
    expect(ids).to.deep.equal([...ids].sort((a, b) => a - b))
    expect(new Set(ids).size).to.equal(20_000)
    const numbers = client.payloads().map((payload) => (payload as Numbered).i)
    expect([...numbers].sort((a, b) => a - b)).to.deep.equal(upTo(20_000))
    for (const writer of upTo(4)) {
      const own = numbers.filter((i) => Math.floor(i / 5000) === writer)
      expect(own).to.deep.equal(upTo(5000, writer * 5000))
    }
  })

  it('is stored when several processes create the store at the same moment', async () => {
    const at = String(Date.now() + 500)
    const creators = upTo(3).map(() => start('create-stores', [root, '150', at]))
    children.push(...creators)
    for (const creator of creators) expect((await creator.ended).stderr).to.equal('')
    for (const i of [0, 75, 149]) {
      const events = createFileSignal({ root, database: `data/${i}.sqlite` })
      instances.push(events)
      expect((await events.stats()).store.rows).to.equal(3)
    }
  })

  it('is not lost when the signal directory is deleted and recreated, and soon takes milliseconds again', async () => {
    const { url, stats } = await web()
    const client = await connect(url)
    const events = instance()
    const folder = join(root, 'tmp/sse_signals')
    let sent = 0
    const send = async (): Promise<number> => {
      const at = performance.now()
      await events.signal('a', { i: sent, at: 0 })
      sent += 1
      await until(() => client.payloads().length === sent, `event ${sent}`)
      return performance.now() - at
    }
    await send()
    for (const recreate of [false, true]) {
      rmSync(folder, { recursive: true })
      if (recreate) mkdirSync(folder)
      expect(await send()).to.be.below(1250)
      // Two sweeps later the new file is watched: then nothing waits for a sweep any more.
      await until(async () => {
        const delays = [await send(), await send(), await send()]
        return Math.max(...delays) < 100
      }, 'delays of milliseconds')
      expect((await stats()).streams.mode).to.equal('watch')
    }
    expect(client.payloads().map((payload) => (payload as Numbered).i)).to.deep.equal(upTo(sent))
  })

  it('of a fresh stream is not lost in an outage before the first one', async () => {
    const server = await web({ stream: { retry: 50 } })
    await instance().signal('a', { i: -1, at: 0 })
    const { source, numbers, resets } = browser(server.url)
    let ready = 0
    source.addEventListener('ready', () => {
      ready += 1
    })
    await until(() => ready === 1, 'ready')
    await server.child.stop('SIGKILL')
    await instance().signal('a', { i: 0, at: 0 })
    await web({ port: server.port, stream: { retry: 50 } })
    await until(() => numbers.length > 0, 'the event', 15_000)
    expect(numbers).to.deep.equal([0])
    expect(resets).to.deep.equal([])
  })

  it('survives a purge and a restart: an old cursor gets one reset, ids go on rising', async () => {
    const events = createFileSignal({ root, retention: { maxPerKey: 1 } })
    instances.push(events)
    const [first] = [await events.signal('a', 1), await events.signal('a', 2), await events.signal('a', 3)]
    const quiet = await events.signal('b', 1)
    await events.prune()
    await events.close()
    const server = await web({ keys: ['a'] })
    const late = await connect(server.url, { 'Last-Event-ID': first.id })
    await until(() => late.ofType('reset').length > 0, 'reset')
    const { id } = await instance().signal('a', 4)
    expect(Number(id.split('-')[1])).to.equal(5)
    await until(() => late.payloads().length === 1, 'the event after the reset')
    expect(late.payloads()).to.deep.equal([4])
    expect(late.ofType('reset').map((message) => message.data)).to.deep.equal(['{"reason":"pruned"}'])
    expect(late.ofType('reset')[0]?.id).to.equal(quiet.id)
  })

  it('answers twelve kinds of bad Last-Event-ID with 200 and one reset', async () => {
    const { id } = await instance().signal('a', 0)
    const [epoch] = id.split('-')
    const { url } = await web()
    const bad = [
      'nonsense',
      '1',
      '-1',
      `${epoch}`,
      `${epoch}-`,
      `${epoch}--1`,
      `${epoch}-01`,
      `${epoch}-1.5`,
      `${epoch}-99`,
      `${epoch}-9007199254740993`,
      'otherone-1',
      `${epoch}-1, ${epoch}-1`,
    ]
    for (const cursor of bad) {
      const client = await connect(url, { 'Last-Event-ID': cursor })
      expect(client.status, cursor).to.equal(200)
      await instance().signal('a', 'on')
      await until(() => client.payloads().length === 1, `life after ${cursor}`)
      expect(client.ofType('reset').length, cursor).to.equal(1)
      client.close()
    }
  })

  it('leads to one reset in mid-stream when it was pruned while its process was stopped', async () => {
    const server = await web({ keys: ['a'], options: { root } })
    const quiet = await web({ keys: ['b'], options: { root } })
    const [client, other] = [await connect(server.url), await connect(quiet.url)]
    const events = createFileSignal({ root, retention: { maxPerKey: 3 } })
    instances.push(events)
    await events.signal('b', 'quiet')
    await events.signal('a', 0)
    await until(() => client.payloads().length === 1 && other.payloads().length === 1, 'both streams')
    for (const one of [server, quiet]) one.child.process.kill('SIGSTOP')
    await events.signalMany(upTo(50).map((i) => ({ key: 'a', payload: i })))
    await events.prune()
    for (const one of [server, quiet]) one.child.process.kill('SIGCONT')
    await until(() => client.ofType('reset').length > 0, 'the reset')
    await events.signal('a', 'on')
    await events.signal('b', 'on')
    await until(() => client.payloads().at(-1) === 'on' && other.payloads().at(-1) === 'on', 'life goes on')
    expect(client.ofType('reset').map(({ data }) => data)).to.deep.equal(['{"reason":"pruned"}'])
    expect(client.payloads()).to.deep.equal([0, 'on'])
    expect(other.ofType('reset')).to.deep.equal([])
    expect(other.payloads()).to.deep.equal(['quiet', 'on'])
  })

  describe('when the store is lost while a publisher and a stream hold it open', () => {
    const store = (suffix = '') => join(root, `data/sse_payloads.sqlite${suffix}`)
    const all = ['', '-wal', '-shm']
    const losses: [string, () => void][] = [
      ['the main file deleted', () => rmSync(store())],
      ['all three files deleted', () => all.forEach((suffix) => void rmSync(store(suffix)))],
      ['the folder deleted', () => rmSync(join(root, 'data'), { recursive: true, maxRetries: 3 })],
      ['the main file renamed', () => renameSync(store(), `${store()}.old`)],
      [
        'all three files renamed',
        () => all.forEach((s) => void renameSync(store(s), `${store('.old')}${s}`)),
      ],
      ['restored from an older copy', () => renameSync(`${store()}.copy`, store())],
      [
        'restored from an older copy, behind the deletion of all three files',
        () => {
          for (const suffix of all) rmSync(store(suffix))
          renameSync(`${store()}.copy`, store())
        },
      ],
    ]
    for (const [what, lose] of losses) {
      it(`delivers what is acknowledged afterwards behind one reset: ${what}`, async () => {
        const { url } = await web()
        const client = await connect(url)
        const events = instance()
        await events.signal('a', 'first')
        await until(() => client.payloads().length === 1, 'the first event')
        const copy = openRawDatabase(store())
        copy.exec(`VACUUM INTO '${store()}.copy'`)
        copy.close()
        await events.signal('a', 'second')
        await until(() => client.payloads().length === 2, 'the second event')
        lose()
        const after = upTo(20).map((i) => events.signal('a', i))
        const ids = (await Promise.all(after)).map(({ id }) => id)
        await until(() => client.payloads().length === 22, 'what came afterwards')
        expect(client.payloads().slice(2)).to.deep.equal(upTo(20))
        expect(client.messages.slice(-20).map(({ id }) => id)).to.deep.equal(ids)
        expect(client.ofType('reset').map(({ data }) => data)).to.deep.equal(['{"reason":"epoch"}'])
        expect(readFileSync(store()).subarray(0, 15).toString()).to.equal('SQLite format 3')
      })
    }
  })
})
