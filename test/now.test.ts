import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { createHandler } from '../dist/http/node.js'
import { createSourceHandler } from '../dist/http/source.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

describe('answers to ?mode=now', () => {
  let rig: Rig
  let open: Client[]

  /** What there is after `after`, in one answer; fails where that is held. */
  async function ask(base: string, after: string | null, more = ''): Promise<Client> {
    const client = await connect(`${base}?mode=now${after === null ? '' : `&lastEventId=${after}`}${more}`)
    open.push(client)
    await until(() => client.ended, 'the end of the answer', 1000)
    return client
  }

  /** Asks again and again, as a client does, until an answer brings nothing. */
  async function askForAll(base: string, after: string): Promise<{ payloads: unknown[]; answers: Client[] }> {
    const answers: Client[] = []
    let last = after
    do {
      answers.push(await ask(base, last))
      last = answers.at(-1)?.lastId() ?? last
    } while (answers.at(-1)?.payloads().length !== 0)
    return { payloads: answers.flatMap((answer) => answer.payloads()), answers }
  }

  const said = (client: Client) => client.messages.map(({ event, data }) => event ?? data)

  beforeEach(() => {
    open = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of open) client.close()
    await rig.close()
  })

  it('bring the place where the store stands, with a length and the retry of a stream', async () => {
    const id = await rig.put('a', 1)
    const answer = await ask(await rig.handle('a'), null)
    expect(answer.headers['content-length']).to.equal(String(answer.bytes))
    expect(answer.messages.map(({ event, id: at }) => [event, at])).to.deep.equal([['ready', id]])
    expect(answer.retries[0]).to.be.within(2000, 5000)
  })

  it('bring what is there and are not held where that is nothing, whatever the heartbeat', async () => {
    const url = await rig.handle('a', { heartbeat: '1m' })
    const first = await rig.put('a', 1)
    const last = await rig.put('a', 2)
    const news = await ask(url, first)
    expect(news.payloads()).to.deep.equal([2])
    expect(news.retries[0]).to.be.within(2000, 5000)
    const nothing = await ask(url, last)
    expect(nothing.messages.map(({ event, id }) => [event, id])).to.deep.equal([['ready', last]])
  })

  it('bring what a client without a cursor is to get first', async () => {
    for (const value of [1, 2, 3]) await rig.put('a', value)
    expect((await ask(await rig.handle('a', { replay: 2 }), null)).payloads()).to.deep.equal([2, 3])
    expect((await ask(await rig.handle('a', { replay: 'last' }), null)).payloads()).to.deep.equal([3])
    expect((await ask(await rig.handle('b', { replay: 'all' }), null)).payloads()).to.deep.equal([])
  })

  it('bring a large backlog page by page, each event once and in order, also while more is published', async () => {
    const url = await rig.handle(['a', 'b'])
    const first = await rig.put('a', -1)
    await rig.append(...Array.from({ length: 600 }, (_, i) => ({ key: 'a', payload: String(i) })))
    const publishing = (async () => {
      for (let i = 600; i < 650; i++) {
        await rig.put(i % 2 ? 'a' : 'b', i)
        await sleep(0)
      }
    })()
    const { payloads, answers } = await askForAll(url, first)
    await publishing
    const rest = await askForAll(url, answers.at(-1)?.lastId() ?? '')
    expect([...payloads, ...rest.payloads]).to.deep.equal(Array.from({ length: 650 }, (_, i) => i))
    expect(answers.every((answer) => answer.payloads().length <= 256)).to.equal(true)
    expect(answers[0]?.messages.find(({ event }) => event === undefined)?.key).to.equal('a')
  })

  it('tell of a lost cursor', async () => {
    const url = await rig.handle('a')
    const id = await rig.put('a', 1)
    const answer = await ask(url, 'nonsense')
    expect(said(answer)).to.deep.equal(['ready', 'reset'])
    expect(answer.lastId()).to.equal(id)
    await rig.close()
    rig = createRig()
    const after = await rig.put('a', 1)
    expect(after).not.to.equal(id)
    expect(said(await ask(await rig.handle('a'), id))).to.deep.equal(['ready', 'reset'])
  })

  it('tell of what was pruned', async () => {
    await rig.close()
    rig = createRig({ retention: { maxPerKey: 2 } })
    const id = await rig.put('a', 1)
    for (const value of [2, 3, 4]) await rig.put('a', value)
    await rig.payload.prune()
    const answer = await ask(await rig.handle('a'), id)
    expect(said(answer)).to.deep.equal(['ready', 'reset'])
    expect(JSON.parse(answer.ofType('reset')[0]?.data ?? '')).to.deep.equal({ reason: 'pruned' })
  })

  it('tell of the end of a key, and are 204 behind it', async () => {
    const url = await rig.handle('a')
    const id = await rig.put('a', 1)
    await rig.put('a', 2)
    const end = await rig.end('a')
    const { payloads } = await askForAll(url, id)
    expect(payloads).to.deep.equal([2])
    const done = await ask(url, id.replace(/\d+$/, '2'))
    expect(said(done)).to.deep.equal(['ready', '[DONE]'])
    expect(done.lastId()).to.equal(end)
    expect((await ask(url, end)).status).to.equal(204)
    expect(said(await ask(url, 'nonsense'))).to.deep.equal(['ready', 'reset', '[DONE]'])
    await rig.put('a', 3)
    expect((await ask(url, end)).payloads()).to.deep.equal([3])
  })

  it('are not done while one of several keys goes on', async () => {
    const url = await rig.handle(['a', 'b'])
    const id = await rig.put('a', 1)
    await rig.end('a')
    expect((await ask(url, id)).isDone()).to.equal(false)
    await rig.put('b', 2)
    await rig.end('b')
    const { answers } = await askForAll(url, id)
    expect(answers.flatMap(said)).to.include('[DONE]')
  })

  it('bring what beforeSend makes of each event, and look behind what it drops', async () => {
    const beforeSend = async ({ payload }: { payload: unknown }) => {
      await sleep(0)
      return (payload as number) < 300 ? null : { fresh: payload }
    }
    const url = await rig.handle('a', { beforeSend })
    const id = await rig.put('a', 0)
    await rig.append(...Array.from({ length: 300 }, (_, i) => ({ key: 'a', payload: String(i + 1) })))
    expect((await ask(url, id)).payloads()).to.deep.equal([{ fresh: 300 }])
  })

  it('move the client past what beforeSend dropped where nothing else is there', async () => {
    const url = await rig.handle('a', { beforeSend: () => null })
    const id = await rig.put('a', 0)
    const last = await rig.put('a', 1)
    const response = await fetch(`${url}?mode=now&lastEventId=${id}`)
    expect(await response.text()).to.match(new RegExp(`data: {"heartbeat":15000}\n\nid: ${last}\n\n$`))
  })

  it('take no mail: they tell where a mailbox stands, and whether it is over', async () => {
    const url = await rig.handle('a', { deliver: 'once' })
    const id = await rig.put('a', 'mail')
    const answer = await ask(url, null)
    expect(answer.messages.map(({ event, id: at }) => [event, at])).to.deep.equal([['ready', id]])
    const reader = await stream(url)
    open.push(reader)
    await until(() => reader.payloads().length === 1, 'the mail')
    await rig.end('a')
    await until(() => reader.ended, 'the end of the mailbox')
    expect((await ask(url, null)).status).to.equal(204)
  })

  it('do not begin a source: they tell that it can be heard', async () => {
    let runs = 0
    const url = await rig.serve(
      createSourceHandler(rig, () => {
        runs += 1
      }),
    )
    expect(said(await ask(url, null, '&hello'))).to.deep.equal(['ready', 'hello'])
    expect((await ask(url, 'done')).status).to.equal(204)
    expect(runs).to.equal(0)
  })

  it('bring the last value of a shared source that runs, where a client that comes later gets it', async () => {
    for (const [replay, values] of [
      ['last', [7]],
      ['none', []],
    ] as const) {
      const url = await rig.serve(createSourceHandler(rig, () => 7, { share: true, every: '10m', replay }))
      expect((await ask(url, null)).payloads()).to.deep.equal([])
      const reader = await stream(url)
      open.push(reader)
      await until(() => reader.payloads().length === 1, 'the value')
      expect((await ask(url, null)).payloads()).to.deep.equal(values)
    }
  })

  it('are refused as streams are, and come late where the store does not answer', async () => {
    expect((await ask(await rig.handle('a', { authorize: () => false }), null)).status).to.equal(403)
    rig.payload = { ...rig.payload, head: () => Promise.reject(new Error('no store')) }
    const answer = await ask(await rig.handle('a'), null)
    expect(answer.messages).to.deep.equal([])
    expect(answer.retries[0]).to.be.within(2000, 5000)
    expect(rig.reports.map(({ code }) => code)).to.deep.equal(['STREAM_FAILED'])
  })

  it('leave nobody listening', async () => {
    const url = await rig.serve(createHandler(rig, ['a', 'b']))
    const id = await rig.put('a', 1)
    await rig.put('b', 2)
    await Promise.all(Array.from({ length: 30 }, () => ask(url, id)))
    await until(() => rig.streams.stats().streams === 0, 'nobody')
    expect(rig.streams.stats()).to.include({ keys: 0, live: 0, behind: 0, mode: null })
  })
})
