import { expect } from 'chai'
import { createFileSignal, type FileSignal, memory } from 'file-signal'
import { failure } from './support/failure.js'

class Private {
  readonly #held = 1
  look() {
    return this.#held
  }
}

/** Prototypes without a constructor: Fastify's query is of that kind. */
function NullObject() {}
NullObject.prototype = Object.create(null)

describe('a payload that JSON would store as less than it is', () => {
  let events: FileSignal
  before(() => {
    events = createFileSignal({ payload: memory() })
  })
  after(() => events.close())

  const REFUSED: [name: string, value: unknown, what: RegExp, cure: RegExp][] = [
    ['a Map', new Map(), /is a Map/, /Object\.fromEntries/],
    ['a Set', new Set([1]), /is a Set/, /\[\.\.\.set\]/],
    ['an Error', new Error('x'), /is an Error/, /\{ message, stack \}/],
    [
      'an Error with fields',
      Object.assign(new TypeError('x'), { errno: 1 }),
      /is an Error/,
      /message, stack/,
    ],
    ['a RegExp', /x/, /is a RegExp/, /String\(regexp\)/],
    ['bytes', new Uint8Array(2), /is a Uint8Array/, /base64/],
    ['a buffer', new ArrayBuffer(2), /is an ArrayBuffer/, /base64/],
    ['a WeakMap', new WeakMap(), /is a WeakMap/, /plain object/],
    ['Headers', new Headers(), /is a Headers/, /Object\.fromEntries/],
    ['URLSearchParams', new URLSearchParams('a=1'), /is a URLSearchParams/, /Object\.fromEntries/],
    ['a number format', new Intl.NumberFormat(), /is a NumberFormat/, /plain object/],
    ['private fields', new Private(), /is a Private/, /toJSON/],
    ['an iterator', [1].values(), /iterator/, /\[\.\.\.iterator\]/],
    ['an invalid Date', new Date(Number.NaN), /is an invalid Date/, /null/],
    ['a Map from toJSON()', { toJSON: () => ({ a: [new Map()] }) }, /\.a\[0\] is a Map/, /fromEntries/],
  ]

  for (const [name, value, what, cure] of REFUSED) {
    it(`${name}: PAYLOAD_INVALID names the place and the cure, on its own and in depth`, async () => {
      for (const [payload, place] of [
        [value, 'payload'],
        [{ job: { parts: [0, value] } }, 'payload.job.parts[1]'],
        [{ 'two words': value }, 'payload["two words"]'],
      ] as const) {
        const error = await failure(events.signal('a', payload))
        expect(error.code).to.equal('PAYLOAD_INVALID')
        expect(error.message).to.include(place).and.to.match(what)
        expect(error.remedy).to.match(cure)
      }
      const batch = await failure(events.signalMany([{ key: 'a', payload: { value } }]))
      expect(batch.message).to.match(/entry 0: payload\.value/)
      const writer = events.writer(`writer ${name}`).getWriter()
      writer.closed.catch(() => {})
      expect((await failure(writer.write({ value }))).code).to.equal('PAYLOAD_INVALID')
    })
  }

  it('plain data, dates, and what has a text of its own are stored as before', async () => {
    const kept: unknown[] = [
      {},
      { a: {} },
      [],
      new Date(0),
      Buffer.from('a'),
      new URL('http://a.b/'),
      Object(1),
      Object('s'),
      Object.create(null),
      Object.create({ a: 1 }),
      Reflect.construct(NullObject, []),
    ]
    for (const payload of kept) await events.signal('a', payload)
  })
})
