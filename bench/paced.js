import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient } from './clients.js'
import { clock } from './payload.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const RATE = 200
const WARM_UP = 100

/** From just before signal() in one process to a parsed payload in the client of another. */
export async function measurePaced({ quick, rounds, turns }) {
  const count = quick ? 600 : 2000
  const p50 = { bare: [], ours: [] }
  const p99 = { bare: [], ours: [] }
  const pairs = { bare: await startPair('bare'), ours: await startPair('ours') }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['bare', 'ours'], round)) {
      const latency = await paceOne(pairs[name], count)
      p50[name].push(latency.percentile(50) / 1000)
      p99[name].push(latency.percentile(99) / 1000)
    }
  }
  await Promise.all([pairs.bare.end(), pairs.ours.end()])
  return {
    title: `Latency: ${RATE} events a second to one client, publisher in another process`,
    other: 'bare design',
    lines: [
      line('p50, ms', { ours: p50.ours, other: p50.bare, target: { ratio: 1.5 } }),
      line('p99, ms', { ours: p99.ours, other: p99.bare, target: { ratio: 2 } }),
    ],
  }
}

/** `count` events at a steady pace to one client; resolves with a histogram of their latencies in microseconds. */
export async function paceOne({ port, publisher }, count) {
  const latency = createHistogram()
  let received = 0
  const client = await openClient(port, '/?key=paced', ({ at }) => {
    received += 1
    if (received > WARM_UP) latency.record(Math.max(1, clock() - at))
  })
  await publisher.ask('pace', { key: 'paced', rate: RATE, count: count + WARM_UP })
  while (received < count + WARM_UP) await sleep(5)
  client.close()
  return latency
}
