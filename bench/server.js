// A web process of one contestant: node server.js CONTESTANT FOLDER, asked through bench/workers.js.
import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTESTANTS } from './contestants.js'
import { answer } from './workers.js'

const [, , name, folder] = process.argv
const contestant = CONTESTANTS[name](folder)
const server = createServer(contestant.handler)
const listening = new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))

const delay = monitorEventLoopDelay({ resolution: 1 })
let sampling = null

answer(
  {
    port: () => listening.then(() => server.address().port),
    /** How often the shared hook was called. */
    calls: () => contestant.calls(),
    /** CPU time so far, in microseconds. */
    cpu() {
      const { user, system } = process.cpuUsage()
      return user + system
    },
    /** Resident bytes, once the garbage is gone. */
    memory() {
      globalThis.gc()
      globalThis.gc()
      return process.memoryUsage.rss()
    },
    /** Watches what a replay does to the process: its delays, or its memory, since looking at that causes delays. */
    async startWatching({ memory }) {
      const peak = { resident: 0, live: 0 }
      const sample = () => {
        peak.resident = Math.max(peak.resident, process.memoryUsage.rss())
        if (!memory) return
        globalThis.gc()
        const { heapUsed, external } = process.memoryUsage()
        peak.live = Math.max(peak.live, heapUsed + external)
      }
      sample()
      sampling = { peak, sample, timer: setInterval(sample, 5) }
      delay.reset()
      delay.enable()
      // It measures from one tick of its timer to the next: a delay that began before the first is not seen.
      await sleep(20)
    },
    /** Longest event-loop delay in ms (the timer's own millisecond included); most resident and most live bytes. */
    async stopWatching() {
      await sleep(20)
      sampling.sample()
      clearInterval(sampling.timer)
      delay.disable()
      return { delay: delay.max / 1e6, ...sampling.peak }
    },
  },
  async () => {
    server.close()
    server.closeAllConnections()
    await contestant.close()
  },
)
