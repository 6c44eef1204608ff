import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openCrowd } from './clients.js'
import { line } from './table.js'
import { startWorker } from './workers.js'

/** What streams cost while nothing happens, heartbeats included. */
export async function measureIdle({ quick, rounds, turns }) {
  const size = quick ? 500 : 2000
  // A window of whole heartbeats, and the first one before it: its price is that of code that never ran.
  const settling = quick ? 1 : 16
  const seconds = quick ? 15 : 30
  const cpu = { raw: [], ours: [] }
  const memory = { raw: [], ours: [] }
  // A round is long and its processes are fresh, so three are enough.
  for (let round = 0; round < Math.min(rounds, 3); round += 1) {
    const [first, second] = turns(['raw', 'ours'], round)
    const idles = [await openIdle(first, size), await openIdle(second, size)]
    await sleep(settling * 1000)
    for (const idle of idles) await idle.begin()
    await sleep(seconds * 1000)
    for (const idle of idles) {
      const cost = await idle.end()
      cpu[idle.name].push((cost.cpu / cost.elapsed) * 100)
      memory[idle.name].push(cost.bytesPerStream / 1024)
    }
  }
  const extra = memory.ours.map((bytes, round) => bytes - memory.raw[round])
  return {
    title: `Idle: ${size} open streams for ${seconds} s`,
    other: 'raw http',
    lines: [
      line('CPU, % of a core', { ours: cpu.ours, other: cpu.raw, target: { value: 1, unit: '%' } }),
      line('memory, KiB a stream', { ours: memory.ours, other: memory.raw }),
      line('more than raw http, KiB a stream', { ours: extra, target: { value: 4, unit: 'KiB' } }),
    ],
  }
}

async function openIdle(name, size) {
  const folder = mkdtempSync(join(tmpdir(), `file-signal-bench-${name}-`))
  const server = startWorker('server.js', name, folder)
  const port = await server.ask('port')
  // Code and buffers that come with the first streams are not a price per stream. They stay open:
  // what closed streams leave behind would be used again, and hide the price of the next ones.
  const first = await openCrowd(port, '/?key=idle', size / 4)
  await sleep(500)
  const before = await server.ask('memory')
  const rest = await openCrowd(port, '/?key=idle', size - size / 4)
  let cpu = 0
  let start = 0
  return {
    name,
    async begin() {
      await server.ask('memory')
      cpu = await server.ask('cpu')
      start = performance.now()
    },
    async end() {
      const used = (await server.ask('cpu')) - cpu
      const elapsed = (performance.now() - start) * 1000
      const bytesPerStream = ((await server.ask('memory')) - before) / (size - size / 4)
      first.close()
      rest.close()
      await server.end()
      rmSync(folder, { recursive: true, force: true })
      return { cpu: used, elapsed, bytesPerStream }
    },
  }
}
