import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal, FileSignalError, memory, type SignalEntry } from 'file-signal'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

describe('publishing', () => {
  let root: string
  let events: FileSignal

  beforeEach(() => {
    root = freshFolder()
    events = createFileSignal({ root })
  })

  afterEach(() => events.close())

  async function stored(): Promise<number> {
    return (await events.stats()).store.rows
  }

  it('does no I/O before first use', () => {
    expect(readdirSync(root)).to.deep.equal([])
  })

  it('answers with the id, <epoch>-<n>', async () => {
    const first = await events.signal('user:42', { a: 1 })
    const second = await events.signal('user:42', { a: 2 }, { event: 'order' })
    expect(first.id).to.match(/^[0-9a-z]{8}-1$/)
    expect(second.id).to.equal(first.id.replace(/1$/, '2'))
  })

  it('stores null for a payload that was left out, and refuses one that is undefined', async () => {
    await events.signal('a')
    expect((await failure(events.signal('a', undefined))).code).to.equal('PAYLOAD_INVALID')
    expect(await stored()).to.equal(1)
  })

  const cycle: unknown[] = []
  cycle.push(cycle)
  const badCalls: [string, string, Parameters<FileSignal['signal']>][] = [
    ['an empty key', 'KEY_INVALID', ['', 1]],
    ['a key of 201 characters', 'KEY_INVALID', ['x'.repeat(201), 1]],
    ['a key of 201 emoji', 'KEY_INVALID', ['😀'.repeat(201), 1]],
    ['a key with a line feed', 'KEY_INVALID', ['a\nb', 1]],
    ['a key with a carriage return', 'KEY_INVALID', ['a\rb', 1]],
    ['a key with NUL', 'KEY_INVALID', ['a\0', 1]],
    ['a key with a lone surrogate', 'KEY_INVALID', ['a\ud800', 1]],
    ['a key that is a number', 'KEY_INVALID', [42 as unknown as string, 1]],
    ['an empty event name', 'EVENT_INVALID', ['a', 1, { event: '' }]],
    ['an event name of 201 characters', 'EVENT_INVALID', ['a', 1, { event: 'x'.repeat(201) }]],
    ['an event name with a line feed', 'EVENT_INVALID', ['a', 1, { event: 'x\ndata: forged' }]],
    ...['open', 'error', 'ready', 'reset', 'end', 'hello'].map(
      (event): [string, string, Parameters<FileSignal['signal']>] => [
        `the event name ${event}`,
        'EVENT_INVALID',
        ['a', 1, { event }],
      ],
    ),
    ['an empty dedupe key', 'DEDUPE_INVALID', ['a', 1, { dedupe: '' }]],
    ['an unknown option', 'OPTION_INVALID', ['a', 1, { evnet: 'x' } as object]],
    ['options that are a string', 'OPTION_INVALID', ['a', 1, 'order' as unknown as object]],
    ['undefined', 'PAYLOAD_INVALID', ['a', undefined]],
    ['a function', 'PAYLOAD_INVALID', ['a', () => 1]],
    ['a symbol', 'PAYLOAD_INVALID', ['a', Symbol('s')]],
    ['a BigInt', 'PAYLOAD_INVALID', ['a', 1n]],
    ['a BigInt deep inside', 'PAYLOAD_INVALID', ['a', { b: [{ c: 1n }] }]],
    ['a function deep inside', 'PAYLOAD_INVALID', ['a', { b: [{ c: () => 1 }] }]],
    ['a hole in an array', 'PAYLOAD_INVALID', ['a', [1, undefined]]],
    ['NaN', 'PAYLOAD_INVALID', ['a', { price: Number.NaN }]],
    ['a cycle', 'PAYLOAD_INVALID', ['a', cycle]],
    ['a Promise', 'PAYLOAD_INVALID', ['a', Promise.resolve(1)]],
    ['a Promise deep inside', 'PAYLOAD_INVALID', ['a', { rows: [Promise.resolve(1)] }]],
    // biome-ignore lint/suspicious/noThenProperty: as query builders have it
    ['a query that nobody has awaited', 'PAYLOAD_INVALID', ['a', Object.create({ then: () => {} })]],
    ['a payload above the limit', 'PAYLOAD_TOO_LARGE', ['a', 'x'.repeat(64 * 1024)]],
    ['a payload above the limit in bytes only', 'PAYLOAD_TOO_LARGE', ['a', '€'.repeat(22_000)]],
  ]
  for (const [what, code, call] of badCalls) {
    it(`refuses ${what} with ${code}, without throwing and without a trace`, async () => {
      const promise = events.signal(...call)
      expect((await failure(promise)).code).to.equal(code)
      expect(existsSync(join(root, 'data'))).to.equal(false)
    })
  }

  it('says where in a payload the fault is', async () => {
    const { message } = await failure(events.signal('a', { items: [1, { price: Number.NaN }] }))
    expect(message).to.include('payload.items[1].price is NaN')
    expect((await failure(events.signal('a', { data: Promise.resolve(1) }))).message).to.equal(
      'PAYLOAD_INVALID: payload.data is a Promise; await it first.',
    )
  })

  it('shows a bad key on one line, cut', async () => {
    const { message } = await failure(events.signal(`a\nb${'x'.repeat(5000)}`))
    expect(message).to.include('key "a\\nb')
    expect(message.length).to.be.below(250)
  })

  it('takes a payload of exactly the limit, and properties that are undefined count as absent', async () => {
    await events.signal('a', 'x'.repeat(64 * 1024 - 2))
    await events.signal('a', { b: undefined, c: new Date(0) })
    expect(await stored()).to.equal(2)
  })

  it('takes objects of classes as JSON sees them, and refuses what is nested too deep', async () => {
    class Order {
      id = 7
      total(): number {
        return this.id
      }
    }
    function Old(this: { id: number }): void {
      this.id = 8
    }
    Old.prototype.total = () => 0
    await events.signal('a', new Order())
    await events.signal('a', Reflect.construct(Old, []))
    for (const depth of [3000, 4000, 5000, 100_000]) {
      const call = events.signal('a', deep(depth))
      await call.catch(async () => expect((await failure(call)).code).to.equal('PAYLOAD_INVALID'))
    }
    expect((await failure(events.signal('a', deep(100_000)))).code).to.equal('PAYLOAD_INVALID')
    expect(await stored()).to.be.at.least(2)
  })

  it('takes what payloadLimit allows, up to 1 MiB', async () => {
    const large = createFileSignal({ root, payloadLimit: '1mb' })
    await large.signal('a', 'x'.repeat(1024 * 1024 - 2))
    await large.close()
    expect(() => createFileSignal({ payloadLimit: '2mb' }))
      .to.throw(FileSignalError)
      .with.property('code', 'OPTION_INVALID')
  })

  describe('signalMany', () => {
    it('stores all in order with one wake-up', async () => {
      const receipts = await events.signalMany([
        { key: 'a', payload: 1 },
        { key: 'b', payload: 2, event: 'x' },
        { key: 'a' },
      ])
      expect(receipts.map(({ id }) => Number(id.split('-')[1]))).to.deep.equal([1, 2, 3])
    })

    it('stores nothing of a batch with one bad entry, and names it', async () => {
      const batch = Array.from({ length: 50 }, (_, i) => ({ key: i === 17 ? '' : 'a', payload: i }))
      const error = await failure(events.signalMany(batch))
      expect(error.code).to.equal('KEY_INVALID')
      expect(error.message).to.include('entry 17: key "" is empty')
      expect(await stored()).to.equal(0)
    })

    it('refuses what is no batch, and does nothing for an empty one', async () => {
      expect((await failure(events.signalMany('a' as unknown as SignalEntry[]))).code).to.equal(
        'BATCH_INVALID',
      )
      expect((await failure(events.signalMany([1 as unknown as SignalEntry]))).code).to.equal('BATCH_INVALID')
      expect(await events.signalMany([])).to.deep.equal([])
    })
  })

  it('stores a dedupe key once, answers the first id and wakes nobody again', async () => {
    const heard: unknown[] = []
    const subscriber = events.subscribe('a')
    const listening = (async () => {
      for await (const event of subscriber) heard.push(event.payload)
    })()
    const first = await events.signal('a', 1, { dedupe: 'order-7' })
    const again = await events.signal('a', 2, { dedupe: 'order-7' })
    await events.signal('a', 3)
    await until(() => heard.length === 2, 'both events')
    await subscriber.return()
    await listening
    expect(again).to.deep.equal({ id: first.id, stored: false })
    expect(heard).to.deep.equal([1, 3])
  })

  it('is refused after close, and close may be called twice', async () => {
    await events.signal('a', 1)
    await Promise.all([events.close(), events.close()])
    expect((await failure(events.signal('a', 2))).code).to.equal('CLOSED')
    expect(() => events.subscribe('a'))
      .to.throw(FileSignalError)
      .with.property('code', 'CLOSED')
  })

  it('never fails because of the signal file: reports it once, and the row is there', async () => {
    const reports: string[] = []
    mkdirSync(join(root, 'tmp'))
    symlinkSync(freshFolder(), join(root, 'tmp/sse_signals'))
    const careful = createFileSignal({ root, onError: (error) => reports.push(error.code) })
    for (let i = 0; i < 3; i += 1) await careful.signal('a', i)
    expect((await careful.stats()).store.rows).to.equal(3)
    expect(reports).to.deep.equal(['SIGNAL_FAILED'])
    await careful.close()
  })

  it('never fails because of a signal engine that throws: the row is there, and it is reported', async () => {
    const reports: string[] = []
    const odd = createFileSignal({
      root,
      onError: (error) => reports.push(error.code),
      signal: () => ({
        name: 'odd',
        raise: () => {
          throw new Error('no')
        },
        listen: () => Promise.reject(new Error('no')),
        close: async () => {},
      }),
    })
    expect((await odd.signal('a', 1)).stored).to.equal(true)
    expect(reports).to.deep.equal(['SIGNAL_FAILED'])
    await odd.close()
  })

  it('warns through Node where nobody gave an onError', async () => {
    mkdirSync(join(root, 'tmp'))
    writeFileSync(join(root, 'tmp/sse_signals'), '')
    const warning = new Promise<Error & { code?: string }>((resolve) => process.once('warning', resolve))
    await events.signal('a', 1)
    expect(await warning).to.include({ name: 'FileSignalWarning', code: 'SIGNAL_FAILED' })
  })

  it('keeps nothing on disk with the memory engine', async () => {
    const inMemory = createFileSignal({ root, payload: memory() })
    const { id } = await inMemory.signal('a', 1)
    const heard: unknown[] = []
    for await (const event of inMemory.subscribe('a', { after: id.replace(/1$/, '0') })) {
      heard.push(event)
      break
    }
    expect(heard).to.have.length(1)
    expect(readdirSync(root)).to.deep.equal([])
    await inMemory.close()
  })

  describe('options', () => {
    const bad: [string, unknown][] = [
      ['an unknown name', { pol: 1 }],
      ['a poll of zero', { poll: 0 }],
      ['a poll that is no time', { poll: 'soon' }],
      ['a negative heartbeat', { heartbeat: -1 }],
      ['a retry of zero', { retry: 0 }],
      ['a retry range the wrong way round', { retry: ['5s', '2s'] }],
      ['a size that is no size', { buffer: '12 apples' }],
      ['an unknown retention', { retention: { maxRows: 1 } }],
      ['a retention of nothing', { retention: { maxPerKey: 0 } }],
      ['an engine that is no function', { payload: {} }],
      ['a mode that is no mode', { mode: 0o10000 }],
      ['an empty root', { root: '' }],
      ['options that are no object', 'all'],
    ]
    for (const [what, options] of bad) {
      it(`refuses ${what} with OPTION_INVALID`, () => {
        expect(() => createFileSignal(options as object))
          .to.throw(FileSignalError)
          .with.property('code', 'OPTION_INVALID')
      })
    }
  })
})

/** An array in an array in an array ... */
function deep(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i += 1) value = [value]
  return value
}
