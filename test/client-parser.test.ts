import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { expect } from 'chai'
import { transformSync } from 'esbuild'
import { createParser as createOracle } from 'eventsource-parser'
import fc from 'fast-check'

interface Block {
  id?: string
  event: string
  data?: string
  key?: string
  at?: number
}
type CreateParser = (findings: {
  onBlock(block: Block): void
  onRetry(retry: number): void
}) => (bytes: Uint8Array) => void

/** The client runs in browsers, and is shipped in one piece: a part alone comes from the source. */
async function load<Part>(name: string): Promise<Part> {
  const source = readFileSync(new URL(`../src/client/${name}.ts`, import.meta.url), 'utf8')
  const { code } = transformSync(source, { loader: 'ts' })
  return import(`data:text/javascript,${encodeURIComponent(code)}`)
}

describe("the client's parser", () => {
  let createParser: CreateParser
  let LONGEST: number

  before(async () => {
    ;({ createParser, LONGEST } = await load<{ createParser: CreateParser; LONGEST: number }>('parser'))
  })

  function read(...pieces: (string | Uint8Array)[]) {
    const blocks: Block[] = []
    const retries: number[] = []
    const parse = createParser({
      onBlock: (block) => blocks.push(block),
      onRetry: (retry) => retries.push(retry),
    })
    for (const piece of pieces) parse(Buffer.from(piece))
    return { blocks, retries }
  }

  it('finds what eventsource-parser finds, in random streams cut anywhere', () => {
    const value = fc.string({
      unit: fc.constantFrom('a', ' ', ':', '7', 'é', '\u2028', '\u{1f600}', '\0', '\ufeff'),
      maxLength: 6,
    })
    const line = fc.oneof(
      fc.tuple(
        fc.constantFrom('data', 'id', 'event', 'retry', 'other', ''),
        fc.constantFrom(':', ': '),
        value,
      ),
      fc.tuple(
        fc.constantFrom('data', 'id', 'event', 'retry', 'data x', ' data'),
        fc.constant(''),
        fc.constant(''),
      ),
      fc.tuple(
        fc.constant('retry'),
        fc.constantFrom(':', ': '),
        fc.constantFrom('7', '007', '-1', '1e3', '٣'),
      ),
      fc.constant(['', '', '']),
    )
    const text = fc
      .array(fc.tuple(line, fc.constantFrom('\n', '\r', '\r\n')), { maxLength: 24 })
      .map((lines) => lines.map(([parts, end]) => parts.join('') + end).join(''))
    fc.assert(
      fc.property(text, fc.boolean(), fc.array(fc.nat(200), { maxLength: 12 }), (stream, bom, cuts) => {
        const bytes = Buffer.from((bom ? '\ufeff' : '') + stream)
        const places = [
          0,
          ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
          bytes.length,
        ]
        const wanted = ask(stream)
        const pieces = places.slice(1).map((end, i) => bytes.subarray(places[i], end))
        for (const found of [read(...pieces), read(...[...bytes].map((byte) => Uint8Array.of(byte)))]) {
          expect(found.retries).to.deep.equal(wanted.retries)
          const events = found.blocks.filter(({ data }) => data !== undefined)
          expect(events.map(({ id, event, data }) => ({ id, event, data }))).to.deep.equal(wanted.events)
        }
      }),
      { numRuns: 2000 },
    )
  })

  /** What the oracle finds in all at once; a CR at the very end counts, which it waits behind. */
  function ask(stream: string) {
    const events: Block[] = []
    const retries: number[] = []
    const oracle = createOracle({
      onEvent: ({ id, event = '', data }) => events.push({ id, event, data }),
      onRetry: (retry) => retries.push(retry),
    })
    oracle.feed(stream.endsWith('\r') ? `${stream}\n` : stream)
    return { events, retries }
  }

  it('tells of blocks that only move the cursor, and of key and time', () => {
    expect(read('id: a-1\n\nid: a-2\nkey: orders\nat: 17\ndata: 1\n\n').blocks).to.deep.equal([
      { id: 'a-1', event: '' },
      { id: 'a-2', event: '', key: 'orders', at: 17, data: '1' },
    ])
  })

  it('keeps no more of a line, or of an event, than 8 Mi characters', () => {
    const piece = 'x'.repeat(LONGEST / 8)
    const pieces = Array.from({ length: 9 }, () => piece)
    expect(() => read('data: ', ...pieces.slice(0, 7), '\n\n')).not.to.throw()
    expect(() => read('data: ', ...pieces)).to.throw()
    expect(() => read(...pieces.map((text) => `data: ${text}\n`))).to.throw()
    expect(() => read(...pieces.map((text) => `: ${text}\n`))).not.to.throw()
  })
})

describe("the client's pauses", () => {
  it('are the wish of the server at first, then longer by chance, with a cap', async () => {
    const { delay } = await load<{ delay(retry: number, after: number, failures: number): number }>('retry')
    expect(delay(3000, 0, 0)).to.equal(3000)
    for (const [failures, most] of [
      [1, 9000],
      [20, 33_000],
    ] as const) {
      const pauses = Array.from({ length: 100 }, () => delay(3000, 0, failures))
      expect(Math.min(...pauses)).to.be.within(3000, most / 2)
      expect(Math.max(...pauses)).to.be.within(most / 2, most)
    }
    expect(delay(3000, 7000, 0)).to.be.within(7000, 10_000)
  })
})

describe('the client as it is shipped', () => {
  const sizeOf = (name: string) => {
    const code = readFileSync(fileURLToPath(new URL(`../dist/client/${name}`, import.meta.url)))
    expect(code.toString()).not.to.match(/\bimport\b|\brequire\b/)
    const { length } = gzipSync(code, { level: 9 })
    console.log(`      ${name}: ${length} bytes`)
    return length
  }

  it('imports nothing, and is at most 5 KiB, minified and compressed', () => {
    expect(sizeOf('sse-client.js')).to.be.lessThan(5 * 1024 + 1)
    expect(sizeOf('sse-client.global.js')).to.be.lessThan(5 * 1024 + 1)
  })
})
