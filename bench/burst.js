import { openCrowd } from './clients.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const CLIENTS = 100

/** A queue that empties at once: everything to everybody, from the first signal() to the last client's last event. */
export async function measureBurst({ quick, rounds, turns }) {
  const count = quick ? 500 : 2000
  const rates = { bare: [], ours: [] }
  const pairs = { bare: await startPair('bare'), ours: await startPair('ours') }
  const crowds = {}
  for (const name of ['bare', 'ours']) {
    crowds[name] = await openCrowd(pairs[name].port, '/?key=burst', CLIENTS)
    await burstOne(pairs[name], crowds[name], count)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['bare', 'ours'], round)) {
      const micros = await burstOne(pairs[name], crowds[name], count)
      rates[name].push((count * CLIENTS * 1e6) / micros)
    }
  }
  for (const name of ['bare', 'ours']) {
    crowds[name].close()
    await pairs[name].end()
  }
  return {
    title: `Burst: ${count} events to ${CLIENTS} clients, publisher in another process`,
    other: 'bare design',
    lines: [
      line('delivered per second', {
        ours: rates.ours,
        other: rates.bare,
        target: { ratio: 1.5, least: true },
      }),
    ],
  }
}

/** One burst to a crowd; resolves with the microseconds from the first signal() to the last event. */
export async function burstOne({ publisher }, crowd, count) {
  crowd.reset()
  const end = crowd.received(count)
  const start = await publisher.ask('burst', { key: 'burst', count })
  return (await end) - start
}
