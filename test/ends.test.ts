import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignalError, memory } from 'file-signal'
import type { Event } from '../dist/event.js'
import type { PayloadEngine } from '../dist/payload/engine.js'
import { sqlite } from '../dist/payload/sqlite/store.js'
import { freshFolder } from './support/folder.js'
import { site } from './support/payload-contract.js'
import { createRig, memoryStore, type Rig } from './support/rig.js'
import { type Client, connect, stream } from './support/sse.js'
import { until } from './support/wait.js'

const STORES: Record<string, () => PayloadEngine> = {
  memory: () => memoryStore(),
  sqlite: () => {
    const path = join(freshFolder(), 'store.sqlite')
    return sqlite()(site({ database: () => path }))
  },
}

for (const [name, store] of Object.entries(STORES)) {
  describe(`ends of keys, kept in ${name}`, () => {
    let rig: Rig
    let clients: Client[]

    beforeEach(() => {
      rig = createRig({ payload: store(), poll: 200 })
      clients = []
    })

    afterEach(async () => {
      for (const client of clients) client.close()
      await rig.close()
    })

    const end = (key: string, reason?: string) =>
      rig.put(key, reason === undefined ? null : { reason }, { kind: 'end' })

    async function open(url: string, after?: string): Promise<Client> {
      const client = await stream(url, after === undefined ? {} : { headers: { 'Last-Event-ID': after } })
      clients.push(client)
      return client
    }

    /** All that a client is told: events as `key?:payload`, ends as `end?key:reason`, and [DONE]. */
    function told(client: Client): string[] {
      return client.messages
        .filter(({ event }) => event !== 'ready')
        .map(({ event, data, key }) => `${[event, key].filter(Boolean).join(' ')} ${data}`.trim())
    }

    async function allTold(url: string, after?: string): Promise<string[]> {
      const client = await open(url, after)
      await until(() => client.ended, 'the end of the stream')
      return told(client)
    }

    /** Asks for short answers until one brings [DONE], as EventSource does. */
    async function toldInShort(url: string, after: string): Promise<string[]> {
      const all: string[] = []
      for (let cursor = after; !all.includes('[DONE]'); ) {
        const client = await connect(`${url}?mode=short&lastEventId=${cursor}`)
        clients.push(client)
        await until(() => client.ended, 'the end of the answer')
        expect(client.status).to.equal(200)
        all.push(...told(client))
        cursor = client.lastId() ?? cursor
      }
      return all
    }

    async function subscribed(keys: string | string[], after?: string): Promise<unknown[]> {
      const seen: unknown[] = []
      try {
        for await (const event of rig.streams.subscribe(keys, { after })) seen.push((event as Event).payload)
      } catch (error) {
        const { code, reason } = error as FileSignalError
        seen.push(`${code} ${reason}`)
      }
      return seen
    }

    const isLive = () => until(() => rig.streams.stats().live === 1, 'a live stream')

    describe('a key that was opened again', () => {
      it('is replayed whole, over every end in between, and stays open', async () => {
        const before = await rig.put('other', 0)
        await rig.put('a', 1)
        const first = await end('a')
        await rig.put('a', 2)
        await end('a')
        await rig.put('a', 3)
        const url = await rig.handle('a', { replay: 'all' })
        for (const [after, expected] of [
          [undefined, ['1', '2', '3']],
          [before, ['1', '2', '3']],
          [first, ['2', '3']],
        ] as const) {
          const client = await open(url, after)
          await until(() => told(client).length === expected.length, 'the replay')
          expect(told(client)).to.deep.equal(expected)
          expect(client.ended).to.equal(false)
          client.close()
          await until(() => rig.streams.stats().streams === 0, 'nobody')
        }
      })

      it('and has ended again is replayed whole and closed at its last end', async () => {
        const before = await rig.put('a', 1)
        await end('a')
        await rig.put('a', 2)
        const last = await end('a')
        await rig.put('other', 9)
        const url = await rig.handle('a', { replay: 'all' })
        expect(await allTold(url)).to.deep.equal(['1', '2', '[DONE]'])
        expect(await allTold(url, before)).to.deep.equal(['2', '[DONE]'])
        expect(await toldInShort(url, before)).to.deep.equal(['2', '[DONE]'])
        expect(await subscribed('a', before)).to.deep.equal([2])
        expect((await connect(url, { headers: { 'Last-Event-ID': last } })).status).to.equal(204)
      })

      it('pages further on is not taken for ended', async () => {
        const before = await end('a')
        await end('a')
        await rig.append(...Array.from({ length: 700 }, (_, i) => ({ key: 'a', payload: String(i) })))
        const url = await rig.handle('a', { replay: 'all' })
        for (const after of [undefined, before]) {
          const client = await open(url, after)
          await until(() => client.payloads().length === 700, 'all of it')
          expect(client.ended).to.equal(false)
        }
      })

      it('does not close streams of several keys that are behind, until all have ended for good', async () => {
        const before = await rig.put('a', 1)
        await end('a')
        await end('b')
        await rig.put('a', 2)
        const url = await rig.handle(['a', 'b'], { replay: 'all' })
        const open_ = await open(url, before)
        await until(() => told(open_).length === 1, 'the replay')
        expect(open_.ended).to.equal(false)
        await end('a')
        await until(() => open_.ended, 'the end')
        expect(told(open_)).to.deep.equal(['a 2', '[DONE]'])
        expect(await allTold(url)).to.deep.equal(['a 1', 'a 2', '[DONE]'])
        expect(await toldInShort(url, before)).to.deep.equal(['a 2', '[DONE]'])
        expect(await subscribed(['a', 'b'], before)).to.deep.equal([2])
      })

      it('closes a live stream at its end, and the next one goes on behind it', async () => {
        const url = await rig.handle('a')
        const client = await open(url)
        await isLive()
        await rig.put('a', 1)
        await end('a')
        await until(() => client.ended, 'the end')
        await rig.put('a', 2)
        const next = await open(url, client.lastId())
        await until(() => told(next).length === 1, 'what follows')
        expect(told(next)).to.deep.equal(['2'])
        expect(next.ended).to.equal(false)
      })
    })

    describe('before any client came', () => {
      it('a key that never had an event is over: [DONE], then 204', async () => {
        const id = await end('a')
        for (const replay of ['none', 'all'] as const) {
          const client = await open(await rig.handle('a', { replay }))
          await until(() => client.ended, 'the end')
          expect(told(client)).to.deep.equal(['[DONE]'])
          expect(client.lastId()).to.equal(id)
        }
        const url = await rig.handle('a')
        expect((await connect(url, { headers: { 'Last-Event-ID': id } })).status).to.equal(204)
        expect(await subscribed('a')).to.deep.equal([])
      })

      it('a key that is ended while its client replays closes behind the replay', async () => {
        await rig.append(...Array.from({ length: 600 }, (_, i) => ({ key: 'a', payload: String(i) })))
        const url = await rig.handle('a', { replay: 'all' })
        const client = await open(url)
        await end('a')
        await until(() => client.ended, 'the end')
        expect(client.payloads().length).to.equal(600)
        expect(client.isDone()).to.equal(true)
      })
    })

    describe('with a reason', () => {
      it('bring it in an end event before [DONE], both with the id of the end', async () => {
        const url = await rig.handle('a', { event: 'tick' })
        const client = await open(url)
        await isLive()
        await rig.put('a', 1)
        const id = await end('a', 'lost')
        await until(() => client.ended, 'the end')
        expect(client.messages.slice(-2).map(({ event, data, id: at }) => [event, data, at])).to.deep.equal([
          ['end', '{"reason":"lost"}', id],
          [undefined, '[DONE]', id],
        ])
        expect((await connect(url, { headers: { 'Last-Event-ID': id } })).status).to.equal(204)
      })

      it('bring it to those who come later, with and without a cursor, in short answers and after a reset', async () => {
        const before = await rig.put('a', 1)
        await end('a', 'lost')
        const ended = ['end {"reason":"lost"}', '[DONE]']
        expect(await allTold(await rig.handle('a'))).to.deep.equal(ended)
        const url = await rig.handle('a', { replay: 'all' })
        expect(await allTold(url)).to.deep.equal(['1', ...ended])
        expect(await allTold(url, before)).to.deep.equal(ended)
        expect(await toldInShort(url, before)).to.deep.equal(ended)
        expect((await allTold(url, 'nonsense')).slice(-2)).to.deep.equal(ended)
      })

      it('bring it at its place where several keys go on, with the key, and close when all have ended', async () => {
        const url = await rig.handle(['a', 'b'], { replay: 'all' })
        const client = await open(url)
        await isLive()
        const before = await rig.put('a', 1)
        await end('a', 'lost')
        await rig.put('b', 2)
        await end('b', 'out of paper')
        await until(() => client.ended, 'the end')
        const rest = [
          'end a {"reason":"lost","key":"a"}',
          'b 2',
          'end b {"reason":"out of paper","key":"b"}',
          '[DONE]',
        ]
        expect(told(client)).to.deep.equal(['a 1', ...rest])
        expect(await allTold(url)).to.deep.equal(['a 1', ...rest])
        expect(await allTold(url, before)).to.deep.equal(rest)
        expect(await toldInShort(url, before)).to.deep.equal(rest)
        expect(await allTold(await rig.handle(['a', 'b']))).to.deep.equal(
          rest.filter((text) => text !== 'b 2'),
        )
      })

      it('bring it in the history of a key that was opened again, which then ends well', async () => {
        await end('a', 'lost')
        await rig.put('a', 1)
        await end('a')
        const url = await rig.handle('a', { replay: 'all' })
        expect(await allTold(url)).to.deep.equal(['end {"reason":"lost"}', '1', '[DONE]'])
        expect(await allTold(await rig.handle('a'))).to.deep.equal(['[DONE]'])
        expect(await subscribed('a', `${(await rig.payload.head()).epoch}-0`)).to.deep.equal([1])
      })

      it('make subscribe() throw ENDED_EARLY behind the last event, live, behind and too late', async () => {
        const before = await rig.put('a', 1)
        const live = subscribed(['a', 'b'])
        await isLive()
        await rig.put('a', 2)
        await end('a', 'lost')
        await end('b')
        expect(await live).to.deep.equal([2, 'ENDED_EARLY lost'])
        expect(await subscribed('a', before)).to.deep.equal([2, 'ENDED_EARLY lost'])
        expect(await subscribed('a')).to.deep.equal(['ENDED_EARLY lost'])
        expect(await subscribed('b')).to.deep.equal([])
      })

      it('that another program stored in its own way are ends without a reason', async () => {
        for (const payload of ['{"reason":7}', '{"reason":"two\\nlines"}', '{broken', '"lost"', '{}']) {
          await rig.append({ key: 'a', payload, kind: 'end' })
          expect(await allTold(await rig.handle('a'))).to.deep.equal(['[DONE]'])
        }
      })
    })
  })
}

describe('end()', () => {
  it('takes a reason of 1 to 200 characters, and stores nothing for another one', async () => {
    const events = createFileSignal({ payload: memory() })
    for (const reason of ['', 'x'.repeat(201), 'two\nlines', '\ud800', 7 as unknown as string]) {
      const error = await events.end('a', { reason }).then(() => null, String)
      expect(error, JSON.stringify(reason)).to.include('OPTION_INVALID: reason is ').and.include('1 to 200')
    }
    expect(await events.end('a', { why: 'typo' } as never).catch(String)).to.include(
      'end has no option "why"',
    )
    expect((await events.stats()).store.rows).to.equal(0)
    await events.end('a', { reason: '😀'.repeat(200) })
    const error = await events
      .subscribe('a')
      .next()
      .catch((failure: FileSignalError) => failure)
    expect(error).to.include({ code: 'ENDED_EARLY', reason: '😀'.repeat(200) })
    await events.close()
  })
})
