import { openCrowd } from './clients.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const MIB = 1024 * 1024

/** A client comes back to a long history: does everybody else wait, does memory follow? */
export async function measureReplay({ quick, rounds, turns }) {
  const large = quick ? 20_000 : 100_000
  const small = large / 10
  const delay = { bare: [], ours: [] }
  const growth = { bare: [], ours: [] }
  const rates = { bare: [], ours: [] }
  const pairs = { bare: await startPair('bare'), ours: await startPair('ours') }
  const base = { bare: 0, ours: 0 }
  for (const name of ['bare', 'ours']) {
    await pairs[name].publisher.ask('fill', { key: 'small', count: small })
    await pairs[name].publisher.ask('fill', { key: 'large', count: large })
    for (let i = 0; i < 3; i += 1) {
      base[name] = Math.max(base[name], (await replayOne(pairs[name], 'small', small)).peak)
    }
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['bare', 'ours'], round)) {
      const result = await replayOne(pairs[name], 'large', large)
      delay[name].push(result.delay)
      growth[name].push((result.peak - base[name]) / MIB)
      rates[name].push(result.rate)
    }
  }
  await Promise.all([pairs.bare.end(), pairs.ours.end()])
  return {
    title: `Replay: ${large} events to one client`,
    other: 'bare design',
    lines: [
      // "All the while" asks for the worst round, not for the one in the middle.
      line('longest event-loop delay, ms', {
        ours: [Math.max(...delay.ours)],
        other: [Math.max(...delay.bare)],
        target: { value: 50, unit: 'ms' },
      }),
      line(`memory above a replay of ${small}, MiB`, {
        ours: [Math.max(...growth.ours)],
        other: [Math.max(...growth.bare)],
        target: { value: 16, unit: 'MiB' },
      }),
      line('events per second', { ours: rates.ours, other: rates.bare }),
    ],
  }
}

async function replayOne({ server, port }, key, count) {
  await server.ask('memory')
  await server.ask('startWatching')
  const start = performance.now()
  const crowd = await openCrowd(port, `/?key=${key}&replay`, 1)
  await crowd.received(count)
  const rate = (count * 1000) / (performance.now() - start)
  const { delay, peak } = await server.ask('stopWatching')
  crowd.close()
  return { delay, peak, rate }
}
