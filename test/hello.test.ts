import http2 from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import Koa from 'koa'
import { createKoaRoutes } from '../dist/http/koa.js'
import { createHandler } from '../dist/http/node.js'
import { createSourceHandler } from '../dist/http/source.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, connect, createReader } from './support/sse.js'
import { until } from './support/wait.js'

/** SHA-256 over the keys as JSON, as another program would reckon it. */
const OF_A = 'DrW41vgbxnfaighW'
const OF_A_AND_B = 'BHPvLcDTJKtlnTWA'

describe('hello', () => {
  let rig: Rig
  let clients: Client[]

  /** A client that notes when each message came. */
  async function open(url: string): Promise<{ client: Client; times: number[] }> {
    const times: number[] = []
    const client = await connect(url, { onMessage: () => times.push(performance.now()) })
    clients.push(client)
    return { client, times }
  }

  const said = (client: Client) => client.messages.map(({ event, data }) => event ?? data)
  const digests = (client: Client) => client.ofType('hello').map(({ data }) => JSON.parse(data).keys)
  const greeted = (client: Client) => until(() => client.ofType('hello').length === 1, 'the first hello')
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length

  beforeEach(() => {
    clients = []
    rig = createRig()
  })

  afterEach(async () => {
    for (const client of clients) client.close()
    await rig.close()
  })

  it('comes right behind ready and once more half a second later, on streams of every kind', async () => {
    const server = http2.createServer(createHandler<http2.Http2ServerRequest>(rig, 'a')).listen(0)
    const session = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    const overHttp2 = createReader()
    session.request({ ':path': '/a.sse?hello' }).setEncoding('utf8').on('data', overHttp2.feed)
    const koa = new Koa().use(createKoaRoutes(rig, { authorize: () => true }).routes())
    const urls = {
      plain: `${await rig.handle('a')}?hello`,
      behind: `${await rig.handle('a')}?hello&lastEventId=${await rig.put('b', 1)}`,
      mailbox: `${await rig.handle('a', { deliver: 'once' })}?hello`,
      hooked: `${await rig.handle('a', { beforeSend: () => null })}?hello=1`,
      named: `${await rig.handle('a', { beforeSend: () => null })}?hello=named`,
      once: `${await rig.handle('a', { beforeSend: () => null, hydrate: 'once' })}?hello`,
      looping: `${await rig.handle('a', { onLoop: () => null })}?hello`,
      namedMailbox: `${await rig.handle('a', { deliver: 'once' })}?hello=named`,
      source: `${await rig.serve(createSourceHandler(rig, () => null))}?hello`,
      shared: `${await rig.serve(createSourceHandler(rig, () => null, { share: true }))}?hello`,
      routes: `${await rig.serve(koa.callback())}/stream.sse?key=b&key=a&hello`,
    }
    const opened = await Promise.all(Object.values(urls).map(open))
    await until(() => opened.every(({ client }) => said(client).length === 3), 'the second hello of each')
    await until(() => overHttp2.messages.length === 3, 'the second one over HTTP/2')
    for (const { client, times } of opened) {
      expect(said(client)).to.deep.equal(['ready', 'hello', 'hello'])
      expect(client.ofType('hello').map(({ id }) => id)).to.deep.equal([undefined, undefined])
      const [ready = 0, first = 0, second = 0] = times
      expect(first - ready).to.be.below(100)
      expect(second - first).to.be.within(400, 1500)
    }
    const kinds = Object.keys(urls)
    expect(Object.fromEntries(opened.map(({ client }, i) => [kinds[i], digests(client)]))).to.deep.equal({
      plain: [OF_A, OF_A],
      behind: [OF_A, OF_A],
      mailbox: [null, null],
      hooked: [null, null],
      named: [OF_A, OF_A],
      once: [OF_A, OF_A],
      looping: [OF_A, OF_A],
      namedMailbox: [null, null],
      source: [null, null],
      shared: ['', ''],
      routes: [OF_A_AND_B, OF_A_AND_B],
    })
    expect(overHttp2.messages.map(({ event }) => event)).to.deep.equal(['ready', 'hello', 'hello'])
    session.destroy()
    await new Promise((resolve) => server.close(resolve))
  })

  it('tells the keys of the request apart, in whichever order they are named', async () => {
    const of = async (...keys: string[]) => {
      const { client } = await open(`${await rig.handle(keys)}?hello`)
      await greeted(client)
      return digests(client)[0]
    }
    expect(await of('a')).to.equal(OF_A)
    expect(await of('b', 'a')).to.equal(OF_A_AND_B)
    expect(await of('a', 'b')).to.equal(OF_A_AND_B)
    const others = await Promise.all([of('b'), of('a,b'), of('a","b'), of('["a"]'), of('a', 'b', 'c')])
    expect(new Set([OF_A, OF_A_AND_B, ...others]).size).to.equal(7)
  })

  it('is not said to those who do not ask for it', async () => {
    const asking = await open(`${await rig.handle('a')}?hello`)
    const others = [
      await open(await rig.handle('a')),
      await open(`${await rig.handle('a')}?mode=short`),
      await open(`${await rig.handle('a')}?mode=now`),
      await open(await rig.serve(createSourceHandler(rig, () => null))),
    ]
    await until(() => said(asking.client).length === 3, 'the second hello of one that asks')
    for (const { client } of others) expect(said(client)).to.deep.equal(['ready'])
  })

  it('is said once where the answer ends at once', async () => {
    for (const mode of ['short', 'now']) {
      const { client } = await open(`${await rig.handle('a')}?mode=${mode}&hello`)
      await until(() => client.ended, 'the end of the answer')
      expect(said(client)).to.deep.equal(['ready', 'hello'])
      expect(digests(client)).to.deep.equal([OF_A])
      const hooked = await open(`${await rig.handle('a', { beforeSend: () => null })}?mode=${mode}&hello`)
      await until(() => hooked.client.ended, 'the end of what is for one client')
      expect(digests(hooked.client)).to.deep.equal([null])
    }
  })

  it('leaves no timer where the client leaves before the second one', async () => {
    const source = createSourceHandler(rig, () => null, { share: true, every: '10m' })
    const urls = [
      `${await rig.handle('a')}?hello`,
      `${await rig.serve(source)}?hello`,
      `${await rig.handle('a')}?mode=probe`,
    ]
    const left = await open(urls[0] as string)
    const before = timers()
    const opened = await Promise.all(urls.flatMap((url) => Array(20).fill(url)).map(open))
    await Promise.all(opened.map(({ client }) => greeted(client)))
    expect(timers()).to.be.at.least(before + 60)
    for (const { client } of [left, ...opened]) client.close()
    await until(() => rig.streams.stats().streams === 0, 'nobody')
    expect(timers()).to.be.below(before + 10)
  })

  it('is not said again by a stream that has ended', async () => {
    const { client } = await open(`${await rig.handle('a', { duration: 100 })}?hello`)
    await until(() => client.ended, 'the end of the stream')
    expect(said(client)).to.deep.equal(['ready', 'hello'])
  })

  describe('in a probe', () => {
    it('comes twice half a second apart, behind the prelude, and nothing else does', async () => {
      let calls = 0
      const count = () => {
        calls += 1
        return null
      }
      const urls = [
        await rig.handle('a', { replay: 'all' }),
        await rig.handle('a', { beforeSend: count, onLoop: count, replay: 'all' }),
        await rig.handle('a', { deliver: 'once' }),
        await rig.serve(createSourceHandler(rig, count)),
      ]
      await rig.put('a', 1)
      const began = performance.now()
      const opened = await Promise.all(urls.map((url) => open(`${url}?mode=probe&lastEventId=nonsense`)))
      await Promise.all(opened.map(({ client }) => greeted(client)))
      expect(rig.streams.stats()).to.include({ streams: 4, live: 0, behind: 0, keys: 0, mode: null })
      await rig.put('a', 2)
      await until(() => opened.every(({ client }) => client.ended), 'the end of the probes')
      expect(performance.now() - began).to.be.within(450, 1500)
      for (const { client, times } of opened) {
        expect(said(client)).to.deep.equal(['hello', 'hello'])
        expect((times[1] ?? 0) - (times[0] ?? 0)).to.be.at.least(400)
        expect(client.comments.join('').length).to.be.at.least(128)
        expect(client.retries[0]).to.be.within(2000, 5000)
        expect(client.headers['transfer-encoding']).to.equal('chunked')
      }
      expect(opened.map(({ client }) => digests(client)[1])).to.deep.equal([OF_A, OF_A, OF_A, ''])
      expect(calls).to.equal(0)
    })

    it('takes no mail: it is there for the next reader', async () => {
      const url = await rig.handle('a', { deliver: 'once' })
      await rig.put('a', 'mail')
      const probe = await open(`${url}?mode=probe`)
      await greeted(probe.client)
      const reader = await open(url)
      await until(() => reader.client.payloads().length === 1, 'the mail')
      expect(said(probe.client)).not.to.include('"mail"')
    })

    it('is refused as a stream is, and does not ask the store', async () => {
      const asked: string[] = []
      const refusing = await rig.handle('a', { authorize: (_, keys) => asked.push(...keys) > 1 })
      expect((await open(`${refusing}?mode=probe`)).client.status).to.equal(403)
      expect(asked).to.deep.equal(['a'])
      const store = rig.payload
      const { head } = store
      rig.payload = { ...store, head: () => Promise.reject(new Error('no store')) }
      const { client } = await open(`${refusing}?mode=probe`)
      await greeted(client)
      rig.payload = { ...store, head }
      expect(rig.reports).to.deep.equal([])
    })

    it('is brief, and is ended with the instance', async () => {
      const { client } = await open(`${await rig.handle('a')}?mode=probe`)
      await greeted(client)
      await rig.streams.close()
      await until(() => client.ended, 'the end of the probe')
      const late = await open(`${await rig.handle('a')}?mode=probe`)
      await until(() => late.client.ended, 'the end of the late one')
      await sleep(0)
      expect([said(client), said(late.client)]).to.deep.equal([['hello'], []])
    })
  })
})
