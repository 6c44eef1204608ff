import { setTimeout as sleep } from 'node:timers/promises'
import { burstOne } from './burst.js'
import { openClient, openCrowd } from './clients.js'
import { paceOne } from './paced.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const CLIENTS = 100
/** Bursts in a row: long enough for a few looks of the inspector to fall into them. */
const BURSTS = 10
/** Milliseconds after which a page that was opened has what came before it, and is fed with what comes. */
const SETTLED = 1500
const FEEDS = ['/inspector/figures.sse', '/inspector/tail.sse']

/** The same process, with an open page of the inspector and without, taking turns. */
export async function measureInspector({ quick, rounds, turns }) {
  const count = quick ? 500 : 2000
  const results = { alone: createResults(), watched: createResults() }
  const pair = await startPair('ours')
  const crowd = await openCrowd(pair.port, '/?key=burst', CLIENTS)
  await burstOne(pair, crowd, count)
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['alone', 'watched'], round)) {
      const feeds = name === 'watched' ? await openFeeds(pair.port) : []
      await sleep(SETTLED)
      await measure(pair, crowd, count, results[name])
      for (const feed of feeds) feed.close()
    }
  }
  crowd.close()
  await pair.end()
  const { alone, watched } = results
  const at = (what) => ({ ours: watched[what], other: alone[what] })
  return {
    title: 'Inspector: the same streams while its page is open (file-signal), and while nobody looks',
    other: 'nobody looks',
    lines: [
      line('burst, delivered per second', { ...at('rates'), target: { ratio: 0.98, least: true } }),
      // The page costs the same in each second: where others have the processor, a burst lasts longer, and bears more of it.
      line('burst, CPU per 1,000 delivered, ms', at('work')),
      line('paced, p50, ms', at('p50')),
      line('paced, p99, ms', at('p99')),
      line('paced, share of one core, %', at('cpu')),
    ],
  }
}

function createResults() {
  return { rates: [], work: [], p50: [], p99: [], cpu: [] }
}

function openFeeds(port) {
  return Promise.all(FEEDS.map((path) => openClient(port, path, () => {})))
}

async function measure(pair, crowd, count, { rates, work, p50, p99, cpu }) {
  const bursts = await useOf(pair, async () => {
    let micros = 0
    for (let i = 0; i < BURSTS; i += 1) micros += await burstOne(pair, crowd, count)
    return micros
  })
  const delivered = BURSTS * count * CLIENTS
  rates.push((delivered * 1e6) / bursts.result)
  work.push(bursts.cpu / delivered)
  const paced = await useOf(pair, () => paceOne(pair, count))
  p50.push(paced.result.percentile(50) / 1000)
  p99.push(paced.result.percentile(99) / 1000)
  cpu.push(paced.cpu / paced.took / 10)
}

/** What `run` gives, how many milliseconds it took, and the microseconds of CPU that the server had for it. */
async function useOf({ server }, run) {
  const [began, before] = [performance.now(), await server.ask('cpu')]
  const result = await run()
  return { result, took: performance.now() - began, cpu: (await server.ask('cpu')) - before }
}
