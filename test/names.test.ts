import { expect } from 'chai'
import { EventSource } from 'eventsource'
import fc from 'fast-check'
import { FileSignalError } from '../dist/errors.js'
import { createKoaStream } from '../dist/http/koa.js'
import { createHandler } from '../dist/http/node.js'
import { encodeFrame } from '../dist/stream/frame.js'
import { startExample } from './setup/example.js'
import { createRig, type Rig } from './support/rig.js'
import { type Client, createReader, type Message, stream } from './support/sse.js'
import { until } from './support/wait.js'

const EPOCH = 'e0p1o2c3'
const RESERVED = ['open', 'error', 'ready', 'reset', 'end', 'hello']
const isName = (text: string) =>
  text !== '' &&
  !/\p{Cc}/u.test(text) &&
  [...text].length <= 200 &&
  Buffer.byteLength(text) <= 800 &&
  text.isWellFormed() &&
  !RESERVED.includes(text)

/** One row with the default name "update", as a parser sees it. */
function sent(payload: string, event: string | null = null): Message | undefined {
  const row = { n: 7, key: 'a', event, payload, kind: 'event' as const, createdAt: 1234 }
  const naming = { listed: null, fromPayload: true }
  const reader = createReader()
  reader.feed(encodeFrame(row, EPOCH, { defaultEvent: 'update', keyed: false, naming }))
  return reader.messages[0]
}

describe('the name of an event', () => {
  it('is its payload’s where that can be a name, the default else; the payload is never altered', () => {
    const name = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 30 }),
      fc.string({ minLength: 195, maxLength: 205 }),
      fc.constantFrom(...RESERVED, 'toast', 'ä'.repeat(200), '漢'.repeat(200), '😀'.repeat(201)),
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), name, (rest, event) => {
        const payload = JSON.stringify({ ...rest, event })
        const message = sent(payload)
        expect(message?.event).to.equal(isName(event) ? event : 'update')
        expect(message?.data).to.equal(payload)
        expect(sent(payload, 'own')).to.include({ event: 'own', data: payload })
      }),
      { numRuns: 500 },
    )
  })

  it('is no part of a payload that is no object, holds it deeper, or as something else than a text', () => {
    const payloads = [
      null,
      'event',
      ['event', { event: 'deep' }],
      { deep: { event: 'deep' } },
      { event: 7 },
      { event: null },
      { event: { event: 'deep' } },
      JSON.parse('{"__proto__":{"event":"inherited"}}'),
    ].map((payload) => JSON.stringify(payload))
    for (const payload of [...payloads, '{"event":"not JSON"']) {
      expect(sent(payload), payload).to.include({ event: 'update', data: payload })
    }
    const pretty = '{\r\n  "event": "toast"\r\n}'
    expect(sent(pretty)).to.include({ event: 'toast', data: '{\n  "event": "toast"\n}' })
  })

  describe('on a stream', () => {
    let rig: Rig
    let clients: Client[]

    beforeEach(() => {
      clients = []
      rig = createRig()
    })

    afterEach(async () => {
      for (const client of clients) client.close()
      await rig.close()
      expect(rig.reports).to.deep.equal([])
    })

    async function open(url: string, lastEventId = ''): Promise<Client> {
      const client = await stream(url, { headers: { 'Last-Event-ID': lastEventId } })
      clients.push(client)
      return client
    }

    /** What came after `ready`. */
    const namesOf = (client: Client) => client.messages.slice(1).map(({ event }) => event)

    it('is the publisher’s, then the payload’s, then the default, live and after a reconnect', async () => {
      const url = await rig.handle('a', { event: 'update', eventFromPayload: true })
      const client = await open(url)
      const before = client.lastId()
      await rig.put('a', { event: 'toast' }, { event: 'order' })
      await rig.put('a', { event: 'toast', text: 'hi' })
      await rig.put('a', { event: 'reset' })
      await rig.put('a', 3)
      await until(() => client.messages.length === 5, 'the events')
      const again = await open(url, before)
      await until(() => again.messages.length === 5, 'the events once more')
      expect(namesOf(client)).to.deep.equal(['order', 'toast', 'update', 'update'])
      expect(namesOf(again)).to.deep.equal(namesOf(client))
      expect(again.payloads()[1]).to.deep.equal({ event: 'toast', text: 'hi' })
    })

    it('differs between streams of one key that ask for different names', async () => {
      const urls = [
        await rig.handle('a', { event: 'update', eventFromPayload: true }),
        await rig.handle('a', { eventFromPayload: true }),
        await rig.handle('a', { event: 'update', eventFromPayload: false }),
        await rig.handle('a'),
      ]
      for (const url of urls) await open(url)
      await until(() => rig.streams.stats().live === 4, 'all live')
      await rig.append({ key: 'a', payload: '{"event":"toast"}' }, { key: 'a', payload: '1' })
      rig.streams.wake('local')
      await until(() => clients.every(({ messages }) => messages.length === 3), 'the events')
      expect(clients.map(namesOf)).to.deep.equal([
        ['toast', 'update'],
        ['toast', undefined],
        ['update', 'update'],
        [undefined, undefined],
      ])
    })

    it('is refused where the default cannot be one, or eventFromPayload is neither true nor false', () => {
      const bad = [
        [{ eventFromPayload: 'yes' }, 'OPTION_INVALID', 'eventFromPayload is "yes"'],
        [{ eventFromPayload: null }, 'OPTION_INVALID', 'eventFromPayload is null'],
        [{ event: 'end' }, 'EVENT_INVALID', '"end" is reserved'],
        [{ event: 'a\nb' }, 'EVENT_INVALID', '"a\\nb" contains a line break'],
      ] as const
      for (const [options, code, what] of bad) {
        const handler = () => createHandler(rig, 'a', options as never)
        const middleware = () => createKoaStream(rig, 'a', options as never)
        for (const create of [handler, middleware]) {
          expect(create).to.throw(FileSignalError, what).with.property('code', code)
        }
      }
    })
  })

  it('is what the example’s page listens to, each kind by its own', async () => {
    const example = await startExample('names')
    const source = new EventSource(`${example.address}shop.sse`)
    const seen = new Map<string, unknown>()
    try {
      for (const name of ['order', 'toast', 'update', 'message']) {
        source.addEventListener(name, ({ data }) => seen.set(name, JSON.parse(data)))
      }
      await until(() => seen.size === 3, 'one of each kind')
      expect(seen.get('toast')).to.deep.equal({ event: 'toast', text: 'A parcel has left' })
      expect(seen.get('order')).to.have.keys('id', 'total')
      expect(seen.get('update')).to.have.keys('visitors')
      expect(await (await fetch(example.address)).text()).to.include('<h1>Names of events</h1>')
    } finally {
      source.close()
      expect(await example.stop()).to.equal(0)
    }
  })
})
