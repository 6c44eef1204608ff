import { join } from 'node:path'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { createFileSignal, type FileSignalOptions } from 'file-signal'
import { machineClock } from '../dist/payload/sqlite/machine-clock.js'
import { type Child, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'
import { connect } from './support/sse.js'
import { until } from './support/wait.js'
import { startWeb, type Web } from './support/web.js'

/** What somebody who looks at the page sees: the text so far, why it ended, and whether it is over. */
interface Viewer {
  text: string
  reason: string | null
  done: boolean
  /** Row numbers, to see that each came once and in order. */
  numbers: number[]
  close(): void
}

describe('a writer in a process of its own', () => {
  let root: string
  let options: FileSignalOptions
  let webs: Web[]
  let producers: Child[]
  let viewers: Viewer[]

  beforeEach(() => {
    root = freshFolder()
    options = { root, poll: 100, retry: 50 }
    webs = []
    producers = []
    viewers = []
  })

  afterEach(async () => {
    for (const viewer of viewers) viewer.close()
    for (const producer of producers) await producer.stop()
    for (const web of webs) await web.child.stop('SIGTERM')
  })

  async function startWebs(count: number): Promise<Web[]> {
    const setup = { keys: ['answer'], options, stream: { replay: 'all' as const } }
    webs = await Promise.all(Array.from({ length: count }, () => startWeb(setup)))
    return webs
  }

  function produce(more: { count: number; gap?: number; lease?: string; hold?: boolean }): Child {
    const setup = { key: 'answer', gap: 5, lease: '1s', options, ...more }
    const producer = start('writer', [JSON.stringify(setup)])
    producers.push(producer)
    return producer
  }

  const written = (producer: Child, count: number) =>
    until(() => producer.lines.length >= count, `${count} chunks`, 10_000)

  function take(viewer: Viewer, event: string, data: string, id: string): void {
    if (event === 'ready') return
    if (event === 'end') viewer.reason = JSON.parse(data).reason
    else if (data === '[DONE]') viewer.done = true
    else {
      viewer.text += JSON.parse(data)
      viewer.numbers.push(Number(id.split('-')[1]))
    }
  }

  /** A page: EventSource comes back to its own address by itself. */
  function view(url: string): Viewer {
    const source = new EventSource(url)
    const viewer: Viewer = { text: '', reason: null, done: false, numbers: [], close: () => source.close() }
    for (const name of ['message', 'end']) {
      source.addEventListener(name, ({ data, lastEventId }) => take(viewer, name, data, lastEventId))
    }
    viewers.push(viewer)
    return viewer
  }

  /** A page behind a balancer: when its process is gone it comes back to the next one, with the last id it saw. */
  function viewThrough(urls: readonly string[]): Viewer {
    let closed = false
    const viewer: Viewer = {
      text: '',
      reason: null,
      done: false,
      numbers: [],
      close: () => {
        closed = true
      },
    }
    async function follow(): Promise<void> {
      let last = ''
      for (const url of urls) {
        const client = await connect(url, last ? { headers: { 'Last-Event-ID': last } } : {})
        await until(() => client.ended || closed, 'the end of the stream', 20_000)
        client.close()
        for (const { event, data, id } of client.messages) take(viewer, event ?? 'message', data, id ?? '')
        last = client.lastId() ?? last
      }
    }
    void follow()
    viewers.push(viewer)
    return viewer
  }

  function ends(): unknown[] {
    const raw = openRawDatabase(join(root, 'data', 'sse_payloads.sqlite'))
    try {
      return raw.prepare('SELECT id, payload FROM events WHERE kind = 1').all()
    } finally {
      raw.close()
    }
  }

  const isRising = (numbers: number[]) => numbers.every((n, i) => i === 0 || n > (numbers[i - 1] as number))

  it('survives reloads, several viewers and web processes that end or are killed: all see the same text', async () => {
    const [ending, killed, staying] = (await startWebs(3)) as [Web, Web, Web]
    const producer = produce({ count: 300, gap: 2 })
    const early = view(staying.url)
    const moving = [viewThrough([ending.url, staying.url]), viewThrough([killed.url, staying.url])]
    const reloading = view(staying.url)
    await written(producer, 100)
    reloading.close()
    const reloaded = view(staying.url)
    void ending.child.stop('SIGTERM')
    void killed.child.stop('SIGKILL')
    await written(producer, 200)
    const late = view(staying.url)
    const all = [early, ...moving, reloaded, late]
    await until(() => all.every(({ done }) => done), 'everybody to see the end', 10_000)
    const whole = Array.from({ length: 300 }, (_, i) => `word ${i} `).join('')
    for (const [i, viewer] of all.entries()) {
      expect(viewer.text, `viewer ${i}`).to.equal(whole)
      expect(viewer.reason).to.equal(null)
      expect(isRising(viewer.numbers)).to.equal(true)
    }
    expect((await producer.ended).stdout).to.match(/written\n$/)
  })

  it('is noticed when it is killed: every reader gets one end, lost, within the lease and some sweeps', async () => {
    const [one, other] = (await startWebs(2)) as [Web, Web]
    const all = [view(one.url), view(one.url), view(other.url)]
    const producer = produce({ count: 1000 })
    await written(producer, 50)
    await producer.stop('SIGKILL')
    const killedAt = performance.now()
    await until(() => all.every(({ done }) => done), 'everybody to see the end')
    expect(performance.now() - killedAt).to.be.within(300, 3000)
    expect(all.map(({ reason }) => reason)).to.deep.equal(['lost', 'lost', 'lost'])
    expect(new Set(all.map(({ text }) => text)).size).to.equal(1)
    expect(all[0]?.text).to.match(/word 48 /)
    const late = view(other.url)
    await until(() => late.done, 'the end for one who comes later')
    expect([late.reason, late.text]).to.deep.equal(['lost', all[0]?.text])
    expect(ends().length).to.equal(1)
  })

  it('writes nothing behind its end when it stood still for longer than its lease', async () => {
    const [web] = (await startWebs(1)) as [Web]
    const viewer = view(web.url)
    const producer = produce({ count: 100_000 })
    await written(producer, 20)
    producer.process.kill('SIGSTOP')
    await until(() => viewer.done, 'the end')
    expect(viewer.reason).to.equal('lost')
    producer.process.kill('SIGCONT')
    expect((await producer.ended).stdout).to.match(/WRITER_LOST\n$/)
    const stored = ends() as { id: number }[]
    expect(stored.length).to.equal(1)
    const events = createFileSignal({ root })
    expect((await events.stats()).store.head).to.equal(stored[0]?.id)
    await events.close()
  })

  it('lets its process end by itself, and a writer that comes later finds the key ended and free', async () => {
    const producer = produce({ count: 0, hold: true })
    expect(await producer.ended).to.include({ code: 0, stdout: 'written\n' })
    const events = createFileSignal({ root })
    const taken = await events
      .writer('answer')
      .from([1])
      .catch(({ code }) => code)
    expect(taken).to.equal('WRITER_TAKEN')
    await until(
      () =>
        events
          .writer('answer')
          .from(['again'])
          .then(
            () => true,
            () => false,
          ),
      'the end of the lease',
    )
    const seen: string[] = []
    const { epoch } = (await events.stats()).store
    for await (const { payload } of events.subscribe('answer', { after: `${epoch}-0` }))
      seen.push(String(payload))
    expect(seen).to.deep.equal(['held', 'again'])
    expect((ends() as { payload: string }[]).map(({ payload }) => payload)).to.deep.equal([
      '{"reason":"lost"}',
      'null',
    ])
    await events.close()
  })

  it('that is gone is noticed by who connects and by prune, however rarely anybody looks', async () => {
    const events = createFileSignal({ root, poll: '1h' })
    for (const key of ['a', 'b', 'c']) {
      const { id } = await events.signal(key, 1)
      const raw = openRawDatabase(join(root, 'data', 'sse_payloads.sqlite'))
      const { name, now } = machineClock()
      raw.prepare("INSERT INTO writer_leases VALUES (?, 'dead', 1000, ?, ?)").run(key, name, now() - 1)
      raw.close()
      if (key === 'c') await events.prune()
      const reader = events.subscribe(key, key === 'a' ? {} : { after: id })
      expect(await reader.next().catch(({ code, reason }) => [code, reason])).to.deep.equal([
        'ENDED_EARLY',
        'lost',
      ])
    }
    expect(ends().length).to.equal(3)
    await events.close()
  })

  it('renews its lease as soon as a program that held the store lets go', async () => {
    const events = createFileSignal({ root })
    const out = events.writer('a', { lease: '1s' }).getWriter()
    await out.write(1)
    const raw = openRawDatabase(join(root, 'data', 'sse_payloads.sqlite'))
    const renewedTo = () => (raw.prepare('SELECT until FROM writer_leases').get() as { until: number }).until
    raw.exec('BEGIN IMMEDIATE')
    const first = renewedTo()
    const lockedAt = performance.now()
    await until(() => performance.now() - lockedAt > 500, 'a renewal that finds the store busy')
    expect(renewedTo()).to.equal(first)
    raw.exec('COMMIT')
    await until(() => renewedTo() > first, 'the renewal', 150)
    raw.close()
    await out.close()
    await events.close()
  })
})
