import { writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { expect } from 'chai'
import type { Diagnosis } from 'file-signal'
import { runCli } from '../setup/cli.js'
import type { Cell, Layer } from './cell.js'
import { cells } from './cells.js'
import { needServers } from './need-servers.js'
import { userFolder } from './user.js'

/** So many cells are looked at side by side: most of the time is waiting. */
const AT_ONCE = 8

/** What doctor said of a cell, in the words of the matrix. */
interface Saying {
  readonly verdict: Cell['expects'] | 'not known'
  readonly diagnosis: Diagnosis
}

/**
 * The real command against every cell of the matrix: what it says must be what the cell does. It publishes into
 * the cell's own app, as the app's user, and gets no hint but the address.
 */
describe('doctor behind real servers', () => {
  const sayings = new Map<Cell, PromiseSettledResult<Saying>>()
  before(async function () {
    this.timeout(300_000)
    for (const cell of cells) needServers(this, cell)
    const waiting = [...cells]
    const work = async (): Promise<void> => {
      for (let cell = waiting.shift(); cell; cell = waiting.shift()) {
        const [saying] = await Promise.allSettled([ask(cell)])
        sayings.set(cell, saying)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
  })

  for (const cell of cells) {
    it(`says of ${cell.name} that it ${cell.expects}`, () => {
      const saying = sayings.get(cell)
      if (saying?.status !== 'fulfilled') throw saying?.reason
      const { verdict, diagnosis } = saying.value
      const { stream, checks } = diagnosis
      const seen = checks.map(({ status, name, seen }) => `${status} ${name}: ${seen}`).join('\n')
      expect(verdict, seen).to.equal(cell.expects)
      // Short responses come through everything.
      expect(stream?.short, seen).to.equal(true)
      expect(stream?.shortDelay, seen).to.be.below(1000)
      expect(stream?.http).to.equal(cell.http === 2 ? '2' : '1.1')
      // What a browser may have open at once: measured, not read off the version.
      if (cell.http === 2 && verdict === 'streams') {
        const limit = checks.find(({ name }) => name === 'six connections')
        expect(limit?.status, seen).to.equal(cell.layers[0] === 'Apache' ? 'warn' : 'pass')
      }
      if (verdict === 'buffers') expect(cell.layers).to.include(stream?.by as Layer)
      for (const layer of stream?.layers ?? []) expect(cell.layers, 'layers that are there').to.include(layer)
    })
  }
})

async function ask(cell: Cell): Promise<Saying> {
  const running = await cell.start()
  try {
    const key = `doctor-${cells.indexOf(cell)}`
    // Of the app's user, who is to read it.
    const file = join(userFolder(), 'ca.pem')
    if (running.ca) writeFileSync(file, running.ca)
    const env: Record<string, string> = running.ca ? { NODE_EXTRA_CA_CERTS: file } : {}
    const url = running.streamUrl(key)
    // The app makes its store with its first stream.
    await answered(`${url}?mode=short`, running.ca)
    const args = ['doctor', url, '--publish', key, '--no-local', '--json']
    const { stdout, stderr } = await runCli(running.root, args, '', { ...running.user, env })
    if (stdout === '') throw new Error(stderr)
    const diagnosis: Diagnosis = JSON.parse(stdout)
    return { verdict: verdictOf(diagnosis), diagnosis }
  } finally {
    await running.stop()
  }
}

function verdictOf({ stream }: Diagnosis): Saying['verdict'] {
  if (!stream || stream.streams === null) return 'not known'
  if (!stream.streams) return 'buffers'
  // What the matrix calls late is 40 ms or more; in time is 15 ms, and this machine has other work.
  return (stream.delay?.p50 ?? Number.POSITIVE_INFINITY) > 30 ? 'delays' : 'streams'
}

function answered(url: string, ca: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAnswer = (response: http.IncomingMessage) => void response.resume().once('end', resolve)
    const request =
      ca === undefined ? http.get(url, onAnswer) : https.get(url, { ca, agent: false }, onAnswer)
    request.on('error', reject)
  })
}
