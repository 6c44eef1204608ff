import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { createHandler } from '../dist/http/node.js'
import { openPage, startBrowser } from './setup/live.js'
import { needProgram } from './setup/program.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, type ConnectOptions, connect } from './support/sse.js'
import { until } from './support/wait.js'

describe('short responses', () => {
  let rig: Rig
  let open: Client[]

  /** A request that may be held: what it brings is there once it has ended. */
  async function ask(base: string, after: string | null, more: ConnectOptions = {}): Promise<Client> {
    const url = `${base}?mode=short${after === null ? '' : `&lastEventId=${after}`}`
    const client = await connect(url, more)
    open.push(client)
    await until(() => client.ended, 'the end of the answer')
    return client
  }

  const held = () => until(() => rig.streams.stats().live === 1, 'a held request')

  beforeEach(() => {
    open = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of open) client.close()
    await rig.close()
  })

  it('bring the first cursor at once, with a length and a short retry', async () => {
    const id = await rig.put('a', 1)
    const answer = await ask(await rig.handle('a'), null)
    expect(answer.status).to.equal(200)
    expect(answer.headers).to.include({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'content-length': String(answer.bytes),
    })
    expect(answer.headers).not.to.have.any.keys('transfer-encoding')
    expect(answer.messages.map(({ event, id: at }) => [event, at])).to.deep.equal([['ready', id]])
    expect(answer.retries[0]).to.be.within(200, 300)
  })

  it('bring what a client without a cursor is to get first', async () => {
    await rig.put('a', 1)
    await rig.put('a', 2)
    const answer = await ask(await rig.handle('a', { replay: 'last' }), null)
    expect(answer.payloads()).to.deep.equal([2])
  })

  it('bring what was missed at once, and go on after it', async () => {
    const url = await rig.handle('a')
    const first = await rig.put('a', 1)
    for (const value of [2, 3, 4]) await rig.put('a', value)
    const answer = await ask(url, first)
    expect(answer.payloads()).to.deep.equal([2, 3, 4])
    const next = ask(url, answer.lastId() ?? '')
    await held()
    await rig.put('a', 5)
    expect((await next).payloads()).to.deep.equal([5])
  })

  it('are held until something comes for their keys, and end with it', async () => {
    const id = await rig.put('a', 1)
    const next = ask(await rig.handle('a'), id)
    await held()
    await rig.put('b', 'not for it')
    await rig.append({ key: 'a', payload: '2' })
    await rig.put('a', 3)
    expect((await next).payloads()).to.deep.equal([2, 3])
  })

  it('end empty after the silence that a stream would break with a heartbeat', async () => {
    const id = await rig.put('a', 1)
    const began = performance.now()
    const answer = await ask(await rig.handle('a', { heartbeat: 200 }), id)
    expect(performance.now() - began).to.be.at.least(155)
    expect(answer.messages.map(({ event, id: at }) => [event, at])).to.deep.equal([['ready', id]])
    expect(answer.retries[0]).to.be.within(200, 300)
  })

  it('bring a large backlog in pages, each once and in order', async () => {
    const url = await rig.handle('a')
    let after = await rig.put('a', 0)
    await rig.append(...Array.from({ length: 600 }, (_, i) => ({ key: 'a', payload: String(i) })))
    const seen: unknown[] = []
    let answers = 0
    while (seen.length < 600) {
      const answer = await ask(url, after)
      seen.push(...answer.payloads())
      after = answer.lastId() ?? ''
      answers += 1
    }
    expect(seen).to.deep.equal(Array.from({ length: 600 }, (_, i) => i))
    expect(answers).to.equal(3)
  })

  it('tell of a lost cursor, and of the end of a key', async () => {
    const url = await rig.handle('a')
    const id = await rig.put('a', 1)
    const lost = await ask(url, 'nonsense')
    expect(lost.ofType('reset').map(({ data }) => JSON.parse(data).reason)).to.deep.equal(['malformed'])
    expect(lost.ofType('reset')[0]?.id).to.equal(id)
    await rig.put('a', 2)
    const end = await rig.end('a')
    const news = await ask(url, id)
    expect(news.payloads()).to.deep.equal([2])
    const done = await ask(url, news.lastId() ?? '')
    expect(done.isDone()).to.equal(true)
    expect(done.lastId()).to.equal(end)
    expect((await ask(url, end)).status).to.equal(204)
  })

  it('bring a reset and the end behind it in one answer, as a stream does', async () => {
    const url = await rig.handle('a')
    await rig.put('a', 1)
    await rig.end('a')
    const answer = await ask(url, 'nonsense')
    expect(answer.messages.map(({ event, data }) => event ?? data)).to.deep.equal([
      'ready',
      'reset',
      '[DONE]',
    ])
    expect((await ask(url, answer.lastId() ?? '')).status).to.equal(204)
  })

  it('tell of what was pruned while they were held, and of the end behind it', async () => {
    await rig.close()
    rig = createRig({ retention: { maxPerKey: 2 } })
    const url = await rig.handle('a')
    for (const last of ['event', 'end'] as const) {
      const next = ask(url, await rig.put('a', 0))
      await held()
      for (let i = 1; i < 10; i++) await rig.append({ key: 'a', payload: String(i) })
      if (last === 'end') await rig.append({ key: 'a', payload: 'null', kind: 'end' })
      await rig.payload.prune()
      rig.streams.wake('watch')
      const told = (await next).messages.map(({ event, data }) => event ?? data)
      expect(told).to.deep.equal(last === 'end' ? ['ready', 'reset', '[DONE]'] : ['ready', 'reset'])
    }
  })

  it('end when the instance closes, and ask their clients to take their time', async () => {
    const id = await rig.put('a', 1)
    const url = await rig.handle('a')
    const next = ask(url, id)
    await held()
    await rig.streams.close()
    const answer = await next
    expect(answer.retries[0]).to.be.within(2000, 5000)
    expect((await ask(url, id)).retries[0]).to.be.within(2000, 5000)
  })

  it('leave nothing behind when the client leaves', async () => {
    const id = await rig.put('a', 1)
    const url = new URL(`${await rig.handle('a')}?mode=short&lastEventId=${id}`)
    const leaving = new AbortController()
    const answer = fetch(url, { signal: leaving.signal }).catch((error: Error) => error.name)
    await held()
    leaving.abort()
    expect(await answer).to.equal('AbortError')
    await until(() => rig.streams.stats().streams === 0, 'nobody')
  })

  it('refuse as streams do', async () => {
    const url = await rig.handle('a', { authorize: () => false })
    expect((await ask(url, null)).status).to.equal(403)
  })

  it('serve a native EventSource: each event once, in order, at most a retry late', async () => {
    const url = await rig.handle('a')
    const source = new EventSource(`${url}?mode=short`)
    const seen: number[] = []
    source.onmessage = ({ data }) => seen.push(JSON.parse(data))
    try {
      await held()
      for (let i = 0; i < 30; i++) {
        await rig.put('a', i)
        if (i % 10 === 9) await until(() => seen.length === i + 1, `${i + 1} events`)
      }
      expect(seen).to.deep.equal(Array.from({ length: 30 }, (_, i) => i))
    } finally {
      source.close()
    }
  })

  it('serve a real browser, which comes back by itself and shows a connection in between', async function () {
    const browser = await startBrowser(needProgram(this, 'chromium', 'chromium'))
    try {
      const stream = createHandler(rig, 'a')
      const url = await rig.serve((req, res) => {
        if (req.url?.startsWith('/a.sse')) return void stream(req, res)
        res.setHeader('Content-Type', 'text/html').end('<title>short</title>')
      })
      const complaints: string[] = []
      const page = await openPage(browser, complaints)
      await page.goto(url)
      await page.evaluate(`
        seen = []; opened = 0
        source = new EventSource('/a.sse?mode=short')
        source.onopen = () => { opened += 1 }
        source.onmessage = ({ data }) => seen.push(JSON.parse(data))`)
      await held()
      for (let i = 0; i < 20; i++) {
        await rig.put('a', i)
        if (i % 5 === 4) await page.waitForFunction(`seen.length === ${i + 1}`)
      }
      expect(await page.evaluate('seen')).to.deep.equal(Array.from({ length: 20 }, (_, i) => i))
      expect(await page.evaluate('opened')).to.be.at.least(5)
      expect(complaints.filter((text) => !text.includes('favicon'))).to.deep.equal([])
    } finally {
      await browser.close()
    }
  })

  it('are not asked for by other modes', async () => {
    const client = await connect(`${await rig.handle('a')}?mode=long`)
    open.push(client)
    await until(() => client.ofType('ready').length === 1, 'ready')
    expect(client.headers['transfer-encoding']).to.equal('chunked')
    expect(client.ended).to.equal(false)
  })
})
