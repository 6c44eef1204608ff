import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { hold } from './setup/hold.js'
import {
  fixtureOf,
  interpreterOf,
  LANGUAGES,
  type Running,
  runProgram,
  startProgram,
} from './setup/publishers.js'
import { ahead } from './support/ahead.js'
import { freshFolder } from './support/folder.js'
import { type Message, stream } from './support/sse.js'
import { until } from './support/wait.js'
import { type Numbered, startPublisher, startWeb } from './support/web.js'

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const KEY = 'orders'
/** Events per writer. A shell starts several programs for each of its own. */
const COUNT = 300
const SHELL_COUNT = 60

interface Written {
  w: string
  i: number
}

describe('publishers in all languages at once', function () {
  this.timeout(120_000)

  let interpreters: string[]
  let root: string
  let events: FileSignal
  let env: Record<string, string>

  before(function () {
    interpreters = LANGUAGES.map((language) => interpreterOf(this, language))
  })

  /** What became of a publisher of each language while somebody held the store. */
  const refused = ahead(async () => {
    const root = freshFolder()
    const look = async () => {
      const events = createFileSignal({ root })
      const { store } = await events.stats()
      await events.close()
      return store
    }
    const letGo = hold((await look()).place as string)
    const env = { FILE_SIGNAL_ROOT: root }
    const begin = performance.now()
    const running = LANGUAGES.map(async ({ name, publisher }, i) => {
      const result = await runProgram(interpreters[i] as string, [publisher, KEY, '1'], { env })
      return { ...result, name, waited: performance.now() - begin }
    })
    const finish = async () => {
      const results = await Promise.all(running)
      letGo()
      return { results, rows: (await look()).rows }
    }
    return { outcome: finish() }
  })

  beforeEach(async () => {
    root = freshFolder()
    env = { FILE_SIGNAL_ROOT: root }
    events = createFileSignal({ root })
    await events.stats()
  })

  afterEach(() => events.close())

  /** One writer of each language, and the command with its lines on stdin. */
  function startWriters(): { name: string; count: number; running: Running }[] {
    const writers = LANGUAGES.map((language, i) => {
      const count = language.ending === 'sh' ? SHELL_COUNT : COUNT
      const args = [fixtureOf(language, 'loop'), KEY, language.name, String(count)]
      return {
        name: language.name,
        count,
        running: startProgram(interpreters[i] as string, args, { env }),
      }
    })
    const lines = Array.from({ length: COUNT }, (_, i) => JSON.stringify({ payload: { w: 'command', i } }))
    const running = startProgram(process.execPath, [CLI, 'signal', KEY, '--many'], {
      env,
      input: lines.join('\n'),
    })
    return [...writers, { name: 'command', count: COUNT, running }]
  }

  it('lose none, double none, keep each writer’s order, and reach a stream by the signal', async () => {
    // An hour between two looks: whatever comes sooner, came by a signal.
    const web = await startWeb({ keys: [KEY], options: { root, poll: '1h' } })
    const delays: number[] = []
    const onMessage = ({ at }: Message) => at !== undefined && delays.push(Date.now() - at)
    const client = await stream(web.url, { onMessage })
    const writers = startWriters()
    const nodes = [0, 1].map((n) =>
      startPublisher({ key: KEY, count: COUNT, from: n * COUNT, oneByOne: true, options: { root } }),
    )
    for (const { name, running } of writers) {
      const { code, stderr } = await running.ended
      expect({ name, code, stderr }).to.deep.equal({ name, code: 0, stderr: '' })
    }
    for (const node of nodes) expect((await node.ended).code).to.equal(0)

    const total = writers.reduce((sum, { count }) => sum + count, 2 * COUNT)
    await until(() => client.payloads().length >= total, `all ${total} events`, 2000).catch(() => {})
    const payloads = client.payloads() as (Written & Numbered)[]
    const ordered = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i)
    for (const { name, count } of writers) {
      expect(
        payloads.filter(({ w }) => w === name).map(({ i }) => i),
        name,
      ).to.deep.equal(ordered(count))
    }
    for (const n of [0, 1]) {
      const own = payloads.filter(({ w, i }) => w === undefined && Math.floor(i / COUNT) === n)
      expect(own.map(({ i }) => i)).to.deep.equal(ordered(COUNT, n * COUNT))
    }
    expect(payloads).to.have.length(total)
    expect((await web.stats()).store.rows).to.equal(total)
    const sorted = delays.sort((a, b) => a - b)
    expect(sorted[Math.floor(sorted.length * 0.95)], 'ms from commit to browser, p95').to.be.below(250)
    expect(sorted.at(-1), 'ms from commit to browser, the slowest').to.be.below(1000)
    client.close()
    await web.child.stop('SIGTERM')
  })

  it('wait 5 s for a store that somebody holds, say STORE_BUSY, exit with 3 and store nothing', async () => {
    const { results, rows } = await refused()
    for (const { name, code, stdout, stderr, waited } of results) {
      expect({ code, stdout }, name).to.deep.equal({ code: 3, stdout: '' })
      expect(stderr, name).to.match(/^STORE_BUSY: .*; end the program that keeps a transaction open/)
      expect(waited, name).to.be.within(4900, 10_000)
    }
    expect(rows).to.equal(0)
  })
})
