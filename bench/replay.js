import { openCrowd } from './clients.js'
import { line } from './table.js'
import { startPair } from './workers.js'

const MIB = 1024 * 1024

/** A client comes back to a long history: does everybody else wait, does memory follow? */
export async function measureReplay({ quick, rounds, turns }) {
  const large = quick ? 20_000 : 100_000
  const small = large / 10
  const delay = { bare: [], ours: [] }
  const live = { bare: [], ours: [] }
  const resident = { bare: [], ours: [] }
  const rates = { bare: [], ours: [] }
  const pairs = { bare: await startPair('bare'), ours: await startPair('ours') }
  const base = {}
  for (const name of ['bare', 'ours']) {
    await pairs[name].publisher.ask('fill', { key: 'small', count: small })
    await pairs[name].publisher.ask('fill', { key: 'large', count: large })
    for (let i = 0; i < 5; i += 1) base[name] = await replayOne(pairs[name], 'small', small, true)
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['bare', 'ours'], round)) {
      const fast = await replayOne(pairs[name], 'large', large, false)
      delay[name].push(fast.delay)
      rates[name].push(fast.rate)
      resident[name].push((fast.resident - base[name].resident) / MIB)
      const looked = await replayOne(pairs[name], 'large', large, true)
      live[name].push((looked.live - base[name].live) / MIB)
    }
  }
  await Promise.all([pairs.bare.end(), pairs.ours.end()])
  // "All the while" asks for the worst round, not for the one in the middle.
  const worst = ({ ours, bare }) => ({ ours: [Math.max(...ours)], other: [Math.max(...bare)] })
  return {
    title: `Replay: ${large} events to one client`,
    other: 'bare design',
    lines: [
      line('longest event-loop delay, ms', { ...worst(delay), target: { value: 50, unit: 'ms' } }),
      // What ten times the history needs more. Resident memory follows V8's young generation, which
      // takes up to 48 MiB from a process that allocates for a while, whatever it keeps.
      line(`live memory above ${small} events, MiB`, { ...worst(live), target: { value: 4, unit: 'MiB' } }),
      line(`resident memory above ${small} events, MiB`, worst(resident)),
      line('events per second', { ours: rates.ours, other: rates.bare }),
    ],
  }
}

async function replayOne({ server, port }, key, count, memory) {
  await server.ask('startWatching', { memory })
  const start = performance.now()
  const crowd = await openCrowd(port, `/?key=${key}&replay`, 1)
  await crowd.received(count)
  const rate = (count * 1000) / (performance.now() - start)
  const watched = await server.ask('stopWatching')
  crowd.close()
  return { ...watched, rate }
}
