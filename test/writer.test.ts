import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { expect } from 'chai'
import {
  createFileSignal,
  type EventWriter,
  type FileSignal,
  type FileSignalError,
  type FileSignalOptions,
  memory,
} from 'file-signal'
import { machineClock } from '../dist/payload/sqlite/machine-clock.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'
import { until } from './support/wait.js'

const ENGINES: Record<string, () => FileSignalOptions> = {
  memory: () => ({ payload: memory() }),
  sqlite: () => ({ root: freshFolder() }),
}

/** Node's pipeline takes web streams; the types of Node 20 do not know it. */
const asWritable = (writer: EventWriter) => writer as unknown as NodeJS.WritableStream

for (const [name, options] of Object.entries(ENGINES)) {
  describe(`a writer into ${name}`, () => {
    let events: FileSignal
    let others: FileSignal[]

    beforeEach(() => {
      events = createFileSignal(options())
      others = []
    })

    afterEach(async () => {
      for (const one of [events, ...others]) await one.close()
    })

    function use(more: FileSignalOptions): FileSignal {
      others.push(events)
      events = createFileSignal({ ...options(), ...more })
      return events
    }

    /** All payloads of a key from its beginning, and at the end how it ended: null, or the code and the reason. */
    async function told(key: string): Promise<unknown[]> {
      const seen: unknown[] = []
      const after = `${(await events.stats()).store.epoch}-0`
      try {
        for await (const { payload } of events.subscribe(key, { after })) seen.push(payload)
        return [...seen, null]
      } catch (error) {
        const { code, reason } = error as FileSignalError
        return [...seen, `${code} ${reason}`]
      }
    }

    const codeOf = (promise: Promise<unknown>) =>
      promise.then(
        () => null,
        (error: FileSignalError) => error.code ?? error.message,
      )

    it('makes an event of each chunk, in order, and ends the key when it closes', async () => {
      const out = events.writer('a', { event: 'part' }).getWriter()
      const names: (string | null)[] = []
      const listening = (async () => {
        for await (const { event } of events.subscribe('a')) names.push(event)
      })()
      for (const chunk of ['one', 2, { three: [3] }, null, '']) await out.write(chunk)
      await out.close()
      await listening
      expect(names).to.deep.equal(Array(5).fill('part'))
      expect(await told('a')).to.deep.equal(['one', 2, { three: [3] }, null, '', null])
    })

    it('has committed what a write has resolved for, and ends nothing before it is closed', async () => {
      const writer = events.writer('a')
      const out = writer.getWriter()
      await out.write('x')
      expect((await events.stats()).store.rows).to.equal(1)
      expect(writer.key).to.equal('a')
      await out.close()
      expect((await events.stats()).store.rows).to.equal(2)
    })

    it('takes what pipeTo, pipeline and from bring', async () => {
      const parts = ['a', 'b', 'c']
      await ReadableStream.from(parts).pipeTo(events.writer('piped'))
      await pipeline(Readable.from(parts), asWritable(events.writer('streamed')))
      await pipeline(
        async function* () {
          yield* parts
        },
        asWritable(events.writer('generated')),
      )
      const receipt = await events.writer('from').from(Readable.from(parts))
      for (const key of ['piped', 'streamed', 'generated', 'from']) {
        expect(await told(key), key).to.deep.equal([...parts, null])
      }
      expect(receipt.stored).to.equal(true)
      expect((await events.signal('after')).id).to.equal(
        receipt.id.replace(/\d+$/, (n) => String(Number(n) + 1)),
      )
    })

    it('decodes bytes across the borders of chunks, and keeps the order of what is mixed with them', async () => {
      const text = '\ufeffnaïve — 🧪 \r\n'.repeat(3)
      const bytes = Buffer.from(text)
      const singles = Array.from(bytes, (byte) => Uint8Array.of(byte))
      await events.writer('bytes').from(singles)
      expect((await told('bytes')).slice(0, -1).join('')).to.equal(text)
      const emoji = Buffer.from('🧪')
      await events
        .writer('mixed')
        .from([emoji.subarray(0, 2), { a: 1 }, emoji.subarray(0, 3), 'text', emoji, emoji.subarray(0, 1)])
      expect(await told('mixed')).to.deep.equal(['\ufffd', { a: 1 }, '\ufffdtext', '🧪', '\ufffd', null])
    })

    it('cuts a text above the payload limit between characters, each part within the limit', async () => {
      use({ payloadLimit: 64 })
      const text = `${'é🧪"\\\u0001\n'.repeat(40)}${'x'.repeat(200)}\ud83d`
      await events.writer('a').from([text])
      const parts = (await told('a')).slice(0, -1) as string[]
      expect(parts.join('')).to.equal(text)
      for (const [i, part] of parts.entries()) {
        expect(Buffer.byteLength(JSON.stringify(part))).to.be.at.most(64)
        if (i < parts.length - 1) expect(part.isWellFormed(), part).to.equal(true)
      }
      expect(parts.length).to.be.at.most(Math.ceil(Buffer.byteLength(JSON.stringify(text)) / 50))
    })

    it('takes the output of a program', async () => {
      const child = spawn(process.execPath, ['-e', 'for (let i = 0; i < 2000; i++) console.log("line " + i)'])
      await events.writer('log').from(child.stdout)
      const text = (await told('log')).slice(0, -1).join('')
      expect(text).to.equal(Array.from({ length: 2000 }, (_, i) => `line ${i}\n`).join(''))
    })

    it('tells readers that it was aborted', async () => {
      const writer = events.writer('a')
      const out = writer.getWriter()
      await out.write(1)
      await out.abort(new Error('no more'))
      expect(await told('a')).to.deep.equal([1, 'ENDED_EARLY aborted'])
      await ReadableStream.from(
        (function* () {
          yield 1
          throw new Error('dry')
        })(),
      )
        .pipeTo(events.writer('b'))
        .catch(() => {})
      expect(await told('b')).to.deep.equal([1, 'ENDED_EARLY aborted'])
    })

    it('tells readers that its source failed, and rejects with what it threw', async () => {
      const dry = new Error('dry')
      const failing = events.writer('a').from(
        (async function* () {
          yield 1
          throw dry
        })(),
      )
      expect(await failing.catch((error: unknown) => error)).to.equal(dry)
      expect(await told('a')).to.deep.equal([1, 'ENDED_EARLY failed'])
    })

    it('errors with a chunk that cannot be stored, of which nothing is, and tells readers', async () => {
      use({ payloadLimit: 100 })
      for (const [key, chunk, code] of [
        ['a', { n: Number.NaN }, 'PAYLOAD_INVALID'],
        ['b', undefined, 'PAYLOAD_INVALID'],
        ['c', ['x'.repeat(100)], 'PAYLOAD_TOO_LARGE'],
      ] as const) {
        const out = events.writer(key).getWriter()
        await out.write(1)
        expect(await codeOf(out.write(chunk)), key).to.equal(code)
        expect(await codeOf(out.write(2)), key).to.equal(code)
        expect(await told(key), key).to.deep.equal([1, 'ENDED_EARLY failed'])
      }
    })

    it('is alone at its key, and the next one may follow it', async () => {
      const first = events.writer('a').getWriter()
      await first.write(1)
      const second = events.writer('a')
      let asked = false
      function* numbers() {
        asked = true
        yield 2
      }
      expect(await codeOf(second.from(numbers()))).to.equal('WRITER_TAKEN')
      expect(asked, 'its source may go elsewhere').to.equal(false)
      expect(await codeOf(second.getWriter().write(2))).to.equal('WRITER_TAKEN')
      await first.write(3)
      await first.close()
      await events.writer('a').from([4])
      expect(await told('a')).to.deep.equal([1, 3, 4, null])
    })

    it('loses its key to end(), and stores nothing behind it', async () => {
      const out = events.writer('a').getWriter()
      await out.write(1)
      await events.end('a', { reason: 'stopped by the reader' })
      expect(await codeOf(out.write(2))).to.equal('WRITER_LOST')
      expect(await codeOf(out.closed)).to.equal('WRITER_LOST')
      expect(await told('a')).to.deep.equal([1, 'ENDED_EARLY stopped by the reader'])
    })

    it('notices that its key is lost although it writes nothing, by its renewals', async () => {
      const writer = events.writer('a', { lease: '1s' })
      const out = writer.getWriter()
      await out.write(1)
      await events.end('a')
      expect(await codeOf(out.closed)).to.equal('WRITER_LOST')
    })

    it('does not wait for a silent source when its key is lost, but tells it to stop', async () => {
      let stopped = 0
      const source = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<never>(() => {}),
          return: async () => {
            stopped += 1
            return { done: true as const, value: undefined }
          },
        }),
      }
      const writing = events.writer('a', { lease: '1s' }).from(source)
      await until(async () => (await codeOf(events.writer('a').from([]))) === 'WRITER_TAKEN', 'the lease')
      await events.end('a')
      expect(await codeOf(writing)).to.equal('WRITER_LOST')
      expect(stopped).to.equal(1)
    })

    it('tells its source to stop when an item cannot be stored', async () => {
      let stopped = false
      function* numbers() {
        try {
          yield 1
          yield Number.NaN
        } finally {
          stopped = true
        }
      }
      expect(await codeOf(events.writer('a').from(numbers()))).to.equal('PAYLOAD_INVALID')
      expect(stopped).to.equal(true)
    })

    it('ends its key as aborted when the instance closes, and errors with CLOSED', async () => {
      const root = freshFolder()
      const payload = name === 'memory' ? memory() : null
      use({ root, ...(payload && { payload }) })
      const seen: unknown[] = []
      const reading = (async () => {
        for await (const event of events.subscribe('a')) seen.push(event.payload)
      })().catch((error: FileSignalError) => error.reason)
      const out = events.writer('a').getWriter()
      const idle = events.writer('b')
      await out.write(1)
      await until(() => seen.length === 1, 'the event')
      await events.close()
      expect(await codeOf(out.write(2))).to.equal('CLOSED')
      expect(() => events.writer('c')).to.throw('CLOSED')
      expect(idle.locked).to.equal(false)
      await reading
      if (name === 'memory') return
      events = createFileSignal({ root })
      expect(await told('a')).to.deep.equal([1, 'ENDED_EARLY aborted'])
      expect(await told('b')).to.deep.equal(['ENDED_EARLY aborted'])
    })

    it('checks key and options', () => {
      expect(() => events.writer('a\nb')).to.throw('KEY_INVALID')
      expect(() => events.writer('a', { event: 'end' })).to.throw('EVENT_INVALID')
      for (const lease of [0, -1, '999ms', '2h', Number.NaN, 'soon']) {
        expect(() => events.writer('a', { lease }), String(lease)).to.throw('OPTION_INVALID: lease is')
      }
      expect(() => events.writer('a', { leese: 1 } as never)).to.throw('known are lease, event')
    })

    it('refuses what is no iterable, text and bytes among it, says what to do, and ends its key as failed', async () => {
      const pass = /pass an iterable or/
      const refused: [string, unknown, RegExp][] = [
        ['a', 7, pass],
        ['b', null, pass],
        ['c', undefined, pass],
        ['d', {}, pass],
        ['e', 'hello', /was given "hello"; put it into an array/],
        ['f', Buffer.from('hello'), /put it into an array/],
        ['g', async function* () {}, /was given async function\* \(\).*; call it:/],
        ['h', Promise.resolve([1]), /was given a Promise \(forgotten await\?\); pass an iterable/],
      ]
      for (const [key, source, message] of refused) {
        const error = await events
          .writer(key)
          .from(source as never)
          .catch(String)
        expect(error)
          .to.match(/OPTION_INVALID: from\(\) was given/)
          .and.to.match(message)
        expect(await told(key), key).to.deep.equal(['ENDED_EARLY failed'])
        await events.writer(key).from(['free again'])
      }
      // @ts-expect-error: a text is an iterable of its characters, and meant as one chunk
      expect(await codeOf(events.writer('i').from('text'))).to.equal('OPTION_INVALID')
    })

    it('says so where from() is called while something writes, or after the end', async () => {
      const writer: EventWriter = events.writer('a')
      const first = writer.from(['one'])
      expect(await codeOf(writer.from(['two']))).to.equal('WRITER_USED')
      await first
      expect(await codeOf(writer.from(['three']))).to.equal('WRITER_USED')
      const closed = events.writer('b')
      await closed.close()
      expect(await closed.from([1]).catch(String)).to.match(
        /WRITER_USED: the writer of key "b" has ended; open/,
      )
      expect(await told('a')).to.deep.equal(['one', null])
      expect(await told('b')).to.deep.equal([null])
    })

    it('takes an iterator that gives no object for a source that fails', async () => {
      const source = { [Symbol.asyncIterator]: () => ({ next: () => 5 }) }
      const error = await events
        .writer('a')
        .from(source as never)
        .catch(String)
      expect(error).to.equal('TypeError: next() of an iterator gave 5 instead of an object')
      expect(await told('a')).to.deep.equal(['ENDED_EARLY failed'])
    })
  })
}

describe('writers', () => {
  it('need an engine with leases: WRITER_UNSUPPORTED where there are none', async () => {
    const events = createFileSignal({
      payload: (site) => {
        const { leases: _, ...engine } = memory()(site)
        return engine
      },
    })
    const error: FileSignalError = await events
      .writer('a')
      .from([1])
      .catch((failure) => failure)
    expect(error.code).to.equal('WRITER_UNSUPPORTED')
    expect(error.message).to.include('"memory" has no leases').and.include(error.remedy)
    expect((await events.stats()).store.rows).to.equal(0)
    await events.close()
  })

  it('are not taken for dead by their own process after a standstill', async () => {
    const events = createFileSignal({ root: freshFolder(), poll: 20 })
    const reading = events.subscribe('a')
    const first = reading.next()
    const out = events.writer('a', { lease: '1s' }).getWriter()
    await out.write(1)
    expect((await first).value?.payload).to.equal(1)
    const begin = performance.now()
    while (performance.now() - begin < 1100);
    await events.prune()
    await out.write(2)
    expect((await reading.next()).value?.payload).to.equal(2)
    await reading.return()
    await out.close()
    await events.close()
  })

  it('keep their key through silence, by renewals that everybody sees', async () => {
    const events = createFileSignal({ root: freshFolder() })
    const out = events.writer('a', { lease: '1s' }).getWriter()
    await out.write(1)
    const raw = openRawDatabase((await events.stats()).store.place)
    const renewedTo = () => (raw.prepare('SELECT until FROM writer_leases').get() as { until: number }).until
    const first = renewedTo()
    const { now } = machineClock()
    await until(() => now() > first, 'the end of the first lease')
    expect(renewedTo()).to.be.above(now())
    raw.close()
    await out.close()
    await events.close()
  })

  it('find their table made anew in a store that was made before there was one', async () => {
    const root = freshFolder()
    let events = createFileSignal({ root })
    const { id } = await events.signal('a', 1)
    const { place } = (await events.stats()).store
    await events.close()
    const raw = openRawDatabase(join(place))
    raw.exec('DROP TABLE writer_leases; DROP TABLE mailbox_claims; DROP TABLE lease_sightings')
    // As versions before 0.1.0 had it.
    raw.exec('CREATE TABLE writers (key TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL)')
    raw.close()
    events = createFileSignal({ root })
    await events.writer('a').from([2])
    const seen: unknown[] = []
    for await (const { payload } of events.subscribe('a', { after: id })) seen.push(payload)
    expect(seen).to.deep.equal([2])
    await events.close()
  })
})
