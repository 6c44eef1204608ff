import { createHistogram } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { openClient, openCrowd } from './clients.js'
import { clock } from './payload.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const STREAMS = 1000
/** Of these streams, those whose clients read what they get. */
const READERS = 10
const RATE = 100
const WARM_UP = 100

/** One hook for all streams of a key, which takes 5 ms as a query does; beside streams without a hook. */
export async function measureHydrate({ quick, rounds, turns }) {
  const seconds = quick ? 3 : 5
  const kinds = ['plain', 'hydrated']
  const results = { plain: [], hydrated: [] }
  const pair = await startPair('ours')
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of turns(kinds, round)) results[kind].push(await run(pair, kind, seconds))
  }
  await pair.end()
  const both = (what) => ({
    ours: results.hydrated.map((result) => result[what]),
    other: results.plain.map((result) => result[what]),
  })
  return {
    title: `Hydration: ${RATE} events a second to ${STREAMS} streams with one shared hook of 5 ms`,
    other: 'no hook',
    lines: [
      line('calls of the hook per second', {
        ours: both('calls').ours,
        target: { value: RATE * 1.02, unit: 'a second' },
      }),
      line('all delivered after the last event, ms', { ...both('late'), target: { value: 250, unit: 'ms' } }),
      line('delivery p50, ms', both('p50')),
      line('delivery p99, ms', both('p99')),
      line('CPU of the server, % of a core', both('cpu')),
    ],
  }
}

async function run({ port, server, publisher }, kind, seconds) {
  const key = `reports-${kind}`
  const path = `/?key=${key}${kind === 'hydrated' ? '&hydrate' : ''}`
  const latency = createHistogram()
  let received = 0
  const onPayload = ({ at }) => {
    received += 1
    if (received > WARM_UP * READERS) latency.record(Math.max(1, clock() - at))
  }
  const crowd = await openCrowd(port, path, STREAMS - READERS)
  const readers = []
  for (let i = 0; i < READERS; i += 1) readers.push(await openClient(port, path, onPayload))
  await publisher.ask('pace', { key, rate: RATE, count: WARM_UP })
  const before = { calls: await server.ask('calls'), cpu: await server.ask('cpu'), at: performance.now() }
  const count = WARM_UP + RATE * seconds
  const all = crowd.received(count)
  await publisher.ask('pace', { key, rate: RATE, count: count - WARM_UP })
  const published = performance.now()
  await all
  while (received < count * READERS) await sleep(5)
  const late = performance.now() - published
  const elapsed = performance.now() - before.at
  const calls = (await server.ask('calls')) - before.calls
  const cpu = (await server.ask('cpu')) - before.cpu
  for (const client of [crowd, ...readers]) client.close()
  return {
    calls: (calls * 1000) / elapsed,
    late,
    p50: latency.percentile(50) / 1000,
    p99: latency.percentile(99) / 1000,
    cpu: cpu / elapsed / 10,
  }
}
