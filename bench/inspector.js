import { burstOne } from './burst.js'
import { openClient, openCrowd } from './clients.js'
import { paceOne } from './paced.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const CLIENTS = 100
/** Bursts in a row: long enough for a few looks of the inspector to fall into them. */
const BURSTS = 10
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
      await measure(pair, crowd, count, results[name])
      for (const feed of feeds) feed.close()
    }
  }
  crowd.close()
  await pair.end()
  const { alone, watched } = results
  const at = (what) => ({ ours: watched[what], other: alone[what] })
  return {
    title: 'Inspector: the same streams with its page open (right) and without',
    other: 'nobody looks',
    lines: [
      line('burst, delivered per second', { ...at('rates'), target: { ratio: 0.98, least: true } }),
      line('paced, p50, ms', { ...at('p50'), target: { ratio: 1.02 } }),
      line('paced, p99, ms', at('p99')),
      line('paced, share of one core, %', at('cpu')),
    ],
  }
}

function createResults() {
  return { rates: [], p50: [], p99: [], cpu: [] }
}

function openFeeds(port) {
  return Promise.all(FEEDS.map((path) => openClient(port, path, () => {})))
}

async function measure(pair, crowd, count, { rates, p50, p99, cpu }) {
  let micros = 0
  for (let i = 0; i < BURSTS; i += 1) micros += await burstOne(pair, crowd, count)
  rates.push((BURSTS * count * CLIENTS * 1e6) / micros)
  const [began, before] = [performance.now(), await pair.server.ask('cpu')]
  const latency = await paceOne(pair, count)
  const [ended, after] = [performance.now(), await pair.server.ask('cpu')]
  p50.push(latency.percentile(50) / 1000)
  p99.push(latency.percentile(99) / 1000)
  cpu.push((after - before) / (ended - began) / 10)
}
