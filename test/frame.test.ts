import { expect } from 'chai'
import fc from 'fast-check'
import type { Row } from '../dist/payload/engine.js'
import { encodeDone, encodeFrame, encodeReady, encodeReset } from '../dist/stream/frame.js'
import { encodePrelude, HEARTBEAT } from '../dist/stream/unbuffered.js'
import { createReader, type Message } from './support/sse.js'

const EPOCH = 'e0p1o2c3'
const CONTROL = /\p{Cc}/u

function row(more: Partial<Row> = {}): Row {
  return { n: 7, key: 'orders', event: null, payload: '{"a":1}', kind: 'event', createdAt: 1234, ...more }
}

/** Any well-formed name that a store takes: no control characters, not empty. */
const name = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 20 })
  .filter((text) => text.isWellFormed() && !CONTROL.test(text))

/** A text in chunks of one to a few units, as sockets deliver it. */
function feed(text: string, cuts: number[]): Message[] {
  const reader = createReader()
  const sorted = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b)
  let from = 0
  for (const cut of [...sorted, text.length]) {
    reader.feed(text.slice(from, cut))
    from = cut
  }
  return reader.messages
}

describe('frames', () => {
  it('bring id, event name, key, time and payload to any parser, under any chunking', () => {
    const rows = fc.array(
      fc.record({
        n: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        key: name,
        event: fc.option(name),
        payload: fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' })),
        createdAt: fc.integer({ min: 0, max: 4e12 }),
      }),
      { maxLength: 5 },
    )
    const shape = fc.record({
      defaultEvent: fc.option(name),
      keyed: fc.boolean(),
      naming: fc.constant(null),
    })
    fc.assert(
      fc.property(rows, shape, fc.array(fc.nat(), { maxLength: 8 }), (events, wanted, cuts) => {
        const text = events
          .map((event) =>
            encodeFrame(row({ ...event, payload: JSON.stringify(event.payload) }), EPOCH, wanted),
          )
          .join('')
        const messages = feed(text, cuts)
        expect(messages.length).to.equal(events.length)
        for (const [i, event] of events.entries()) {
          const message = messages[i]
          expect(message?.id).to.equal(`${EPOCH}-${event.n}`)
          expect(message?.event).to.equal(event.event ?? wanted.defaultEvent ?? undefined)
          expect(message?.key).to.equal(wanted.keyed ? event.key : undefined)
          expect(message?.at).to.equal(event.createdAt)
          expect(message?.data).to.equal(JSON.stringify(event.payload))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('split a payload that another writer stored with CR, LF and CRLF in it', () => {
    const payload = '{\r\n"a":\r[1,\n2]\n\r}'
    const text = encodeFrame(row({ payload }), EPOCH, { defaultEvent: null, keyed: false, naming: null })
    expect(text).to.equal(
      'id: e0p1o2c3-7\nat: 1234\ndata: {\ndata: "a":\ndata: [1,\ndata: 2]\ndata: \ndata: }\n\n',
    )
    expect(JSON.parse(feed(text, [])[0]?.data ?? '')).to.deep.equal(JSON.parse(payload))
  })

  it('bring no second message out of a payload that looks like one', () => {
    for (const breaks of ['\n\n', '\r\r', '\r\n\r\n', '\n\r']) {
      const payload = `1${breaks}data: injected${breaks}`
      const text = encodeFrame(row({ payload }), EPOCH, { defaultEvent: null, keyed: true, naming: null })
      expect(feed(text, []).length).to.equal(1)
      expect(text).not.to.include('\r')
    }
  })

  it('are LF only, without BOM, one write after the other', () => {
    const shape = { defaultEvent: 'tick', keyed: true, naming: null }
    const text =
      encodePrelude([2000.4, 2000.4]) +
      encodeReady({ epoch: EPOCH, n: 3 }, 15_000) +
      encodeFrame(row({ event: 'named' }), EPOCH, shape) +
      encodeFrame(row({ n: 8 }), EPOCH, shape)
    expect(text).not.to.match(/[\r\uFEFF]/)
    expect(text.split('\n').slice(1).join('\n')).to.equal(
      'retry: 2000\n' +
        'event: ready\nid: e0p1o2c3-3\ndata: {"heartbeat":15000}\n\n' +
        'id: e0p1o2c3-7\nevent: named\nkey: orders\nat: 1234\ndata: {"a":1}\n\n' +
        'id: e0p1o2c3-8\nevent: tick\nkey: orders\nat: 1234\ndata: {"a":1}\n\n',
    )
  })

  it('end a stream with an unnamed [DONE], and tell before it why a key ended, whatever events are called', () => {
    expect(encodeDone({ epoch: EPOCH, n: 7 })).to.equal('id: e0p1o2c3-7\ndata: [DONE]\n\n')
    const end = row({ kind: 'end', payload: '{"reason":"lost"}', event: null })
    expect(encodeFrame(end, EPOCH, { defaultEvent: 'tick', keyed: false, naming: null })).to.equal(
      'id: e0p1o2c3-7\nevent: end\nat: 1234\ndata: {"reason":"lost"}\n\n',
    )
    expect(encodeFrame(end, EPOCH, { defaultEvent: 'tick', keyed: true, naming: null })).to.equal(
      'id: e0p1o2c3-7\nevent: end\nkey: orders\nat: 1234\ndata: {"reason":"lost","key":"orders"}\n\n',
    )
  })

  it('tell a reset from an event of the same words', () => {
    expect(encodeReset('pruned', { epoch: EPOCH, n: 9 })).to.equal(
      'event: reset\nid: e0p1o2c3-9\ndata: {"reason":"pruned"}\n\n',
    )
  })

  it('begin with a padded comment and a positive retry, and no blank line that is a message to some', () => {
    for (const retry of [0, 0.4, 1, 2345.678]) {
      const text = encodePrelude([retry, retry])
      const reader = createReader()
      reader.feed(text)
      expect(text).not.to.include('\n\n')
      expect(text.indexOf('\n')).to.be.at.least(128)
      expect(reader.comments.length).to.equal(1)
      expect(reader.retries).to.deep.equal([Math.max(1, Math.round(retry))])
      expect(reader.messages).to.deep.equal([])
    }
  })

  it('keep a silent stream awake with a comment line alone', () => {
    const reader = createReader()
    reader.feed(HEARTBEAT.toString().repeat(3))
    expect(reader.comments.length).to.equal(3)
    expect(reader.messages).to.deep.equal([])
    expect(HEARTBEAT.toString()).to.equal(':\n')
  })
})
