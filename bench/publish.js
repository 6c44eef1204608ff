import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { line } from './table.js'
import { startWorker } from './workers.js'

/** What a publisher pays: nobody listens, each contestant alone on the machine. */
export async function measurePublishing({ quick, rounds, turns }) {
  const count = quick ? 5000 : 20_000
  const single = { bare: [], ours: [] }
  const many = { bare: [], ours: [] }
  const folder = mkdtempSync(join(tmpdir(), 'file-signal-bench-publish-'))
  const publishers = {
    bare: startWorker('publisher.js', 'bare', folder),
    ours: startWorker('publisher.js', 'ours', folder),
  }
  for (const name of ['bare', 'ours']) await publishers[name].ask('timeSignal', { count: 2000 })
  for (let round = 0; round < rounds; round += 1) {
    for (const name of turns(['bare', 'ours'], round)) {
      single[name].push(await publishers[name].ask('timeSignal', { count }))
      many[name].push(await publishers[name].ask('timeSignalMany', { count }))
    }
  }
  await Promise.all([publishers.bare.end(), publishers.ours.end()])
  rmSync(folder, { recursive: true, force: true })
  return {
    title: `Publishing: ${count} events over 100 keys, committed and signalled`,
    other: 'bare design',
    lines: [
      line('signal(), per second', {
        ours: single.ours,
        other: single.bare,
        target: { ratio: 0.7, least: true },
      }),
      line('signalMany(), per second', {
        ours: many.ours,
        other: many.bare,
        target: { ratio: 0.7, least: true },
      }),
    ],
  }
}
