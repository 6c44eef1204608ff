import { setTimeout as sleep } from 'node:timers/promises'
import { createFileSignal } from 'file-signal'
import { paceOne } from './paced.js'
import { line } from './table.js'
import { startPair } from './workers.js'

/** Rows that are too many, of keys used three times each, about. */
const BACKLOG = 300_000
const KEYS = 100_000

/** What readers feel while the two processes delete a backlog of their own accord: the same latencies with and without. */
export async function measurePruning({ quick, rounds, turns }) {
  const count = quick ? 600 : 2000
  const p50 = { still: [], pruning: [] }
  const p99 = { still: [], pruning: [] }
  const deleted = []
  const pair = await startPair('ours')
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['still', 'pruning'], round)) {
      await retain(pair.folder, { maxPerKey: false, maxBytes: false })
      const { rows } = await look(pair.folder)
      await pair.publisher.ask('fill', { key: 'order:', keys: KEYS, count: Math.max(0, BACKLOG - rows) })
      if (name === 'pruning') await retain(pair.folder, { maxPerKey: false, maxBytes: '1mb' })
      // Until everybody has looked at the store again.
      await sleep(2000)
      const before = await look(pair.folder)
      const latency = await paceOne(pair, count)
      const after = await look(pair.folder)
      p50[name].push(latency.percentile(50) / 1000)
      p99[name].push(latency.percentile(99) / 1000)
      if (name === 'still') continue
      deleted.push((before.rows + after.head - before.head - after.rows) / ((after.at - before.at) / 1000))
    }
  }
  await pair.end()
  return {
    title: `Pruning: the same 200 events a second while a backlog of ${BACKLOG.toLocaleString('en')} is deleted`,
    other: 'nothing to prune',
    lines: [
      line('p50, ms', { ours: p50.pruning, other: p50.still, target: { ratio: 1.5 } }),
      line('p99, ms', { ours: p99.pruning, other: p99.still, target: { value: 30, unit: 'ms' } }),
      line('deleted per second', { ours: deleted, target: { value: 500, least: true, unit: 'a second' } }),
    ],
  }
}

/** The store remembers what it is given. */
async function retain(root, retention) {
  const events = createFileSignal({ root, retention })
  await events.cursor()
  await events.close()
}

async function look(root) {
  const events = createFileSignal({ root })
  const { rows, head } = (await events.stats()).store
  await events.close()
  return { rows, head, at: performance.now() }
}
