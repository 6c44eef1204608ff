import http, { type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from 'chai'
import type { Cell, Expectation } from './cell.js'
import { cells } from './cells.js'
import { proxied } from './chain.js'
import { faultOf } from './measure.js'
import { measureCell, needsShort, newResult, type Result } from './measure-cell.js'
import { shortFaultOf } from './measure-short.js'
import { type Publisher, startPublisher } from './publisher.js'
import { measureAgain } from './run.js'

/** What a faulty server does with each piece of a stream. */
type Disturb = (piece: string, response: ServerResponse) => void

/** The event of which the faulty ones make something else. */
const isChosen = (piece: string) => piece.includes('"i":5,')

const DISTURBANCES: Record<string, () => Disturb> = {
  loses: () => (piece, response) => {
    if (!isChosen(piece)) response.write(piece)
  },
  repeats: () => (piece, response) => {
    response.write(isChosen(piece) ? piece + piece : piece)
  },
  'mixes up': () => {
    let kept = ''
    return (piece, response) => {
      if (isChosen(piece)) kept = piece
      else {
        response.write(piece + kept)
        kept = ''
      }
    }
  },
}

const holdUp: Disturb = (piece, response) => {
  setTimeout(() => response.write(piece), 30)
}

describe('a cell of the matrix is measured', function () {
  this.timeout(60_000)

  let publisher: Publisher
  before(() => {
    publisher = startPublisher()
  })
  after(() => publisher.close())

  /** Measures a server that disturbs its first streams; one that is back with a cursor is none of them. */
  async function measure(disturb: () => Disturb, streams: number, expects: Expectation): Promise<Result> {
    const cell = faulty(disturb, streams, expects)
    const result = newResult(cell)
    const running = await cell.start()
    try {
      await measureCell(result, running, publisher)
      await measureAgain(result, running, publisher, () => {})
    } finally {
      await running.stop()
    }
    return result
  }

  for (const [what, disturb] of Object.entries(DISTURBANCES)) {
    it(`once if it ${what} an event, and fails`, async () => {
      const { attempts, fault } = await measure(disturb, 1, 'streams')
      expect(fault).to.deep.equal({ what: '40 of 40 events came, not each once and in order', isLate: false })
      expect(attempts).to.equal(1)
    })
  }

  it('once if it streams where it was to hold back, and fails', async () => {
    const { attempts, fault } = await measure(DISTURBANCES.loses as () => Disturb, 0, 'buffers')
    expect(fault?.what).to.match(/^it was to hold events back/)
    expect(attempts).to.equal(1)
  })

  it('again if it was only late, and four times at most', async () => {
    const [once, always] = await Promise.all([
      measure(() => holdUp, 1, 'streams'),
      measure(() => holdUp, Number.POSITIVE_INFINITY, 'streams'),
    ])
    expect(once.attempts).to.be.within(2, 4)
    // On a busy machine it may stay late.
    if (once.attempts < 4) expect(once.fault).to.equal(null)
    expect(always.attempts).to.equal(4)
    expect(always.fault?.what).to.match(/^p95 is \d/)
  })

  it('once if short responses, or what comes in a lump, mix up events, and fails', () => {
    const short = { delays: [1, 1, 1, 1, 1, 1], missed: 2, inOrder: false, first: 1 }
    expect(shortFaultOf(short)?.isLate).to.equal(false)
    expect(shortFaultOf({ ...short, inOrder: true })).to.equal(null)
    expect(shortFaultOf({ ...short, inOrder: true, delays: [1, 1, 1, 1, 1, 60] })?.isLate).to.equal(true)
    const lump = {
      ...{ status: 200, encoding: 'identity', firstByte: 3000, count: 40, inOrder: false },
      ...{ p50: 1000, p95: 2000, max: 2000, replayed: 0, missed: 39, left: null },
    }
    expect(faultOf({ expects: 'buffers' }, lump)?.isLate).to.equal(false)
    expect(faultOf({ expects: 'buffers' }, { ...lump, inOrder: true })).to.equal(null)
  })

  it('with short responses in every hostile form, also where it streams', () => {
    const hostile = cells.filter(({ form }) => form === 'hostile')
    expect(hostile.some(({ expects }) => expects === 'streams')).to.equal(true)
    expect(hostile.filter((cell) => !needsShort(cell))).to.deep.equal([])
  })
})

function faulty(disturb: () => Disturb, streams: number, expects: Expectation): Cell {
  return proxied(
    { name: 'faulty', layers: [], http: 1, form: 'default', expects, why: 'it disturbs its first streams' },
    (port) => startFaulty(port, disturb, streams),
  )
}

async function startFaulty(appPort: number, disturb: () => Disturb, streams: number) {
  let left = streams
  const server = http.createServer((request, response) => {
    const path = request.url ?? '/'
    const isFresh = path.startsWith('/stream/') && !request.headers['last-event-id']
    const disturbOne = isFresh && left > 0 ? disturb() : null
    if (disturbOne) left -= 1
    const asked = http.get(
      { port: appPort, host: '127.0.0.1', path, headers: request.headers, agent: false },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.on('data', (bytes: Buffer) => {
          if (disturbOne) disturbOne(String(bytes), response)
          else response.write(bytes)
        })
        answer.on('end', () => response.end())
        answer.on('error', () => response.destroy())
      },
    )
    asked.on('error', () => response.destroy())
    response.on('close', () => asked.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    pid: process.pid,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
