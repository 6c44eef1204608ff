// A web process of one contestant: node server.js CONTESTANT FOLDER, asked through bench/workers.js.
import { createServer } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { CONTESTANTS } from './contestants.js'
import { answer } from './workers.js'

const [, , name, folder] = process.argv
const contestant = CONTESTANTS[name](folder)
const server = createServer(contestant.handler)
const listening = new Promise((resolve) => server.listen(0, '127.0.0.1', 4096, resolve))

const delay = monitorEventLoopDelay({ resolution: 1 })
let peak = 0
let sampling = null
const sample = () => {
  peak = Math.max(peak, process.memoryUsage.rss())
}

answer(
  {
    port: () => listening.then(() => server.address().port),
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
    startWatching() {
      peak = 0
      sample()
      sampling = setInterval(sample, 5)
      delay.reset()
      delay.enable()
    },
    /** Longest event-loop delay in ms (the timer's own millisecond included), and most resident bytes. */
    stopWatching() {
      sample()
      clearInterval(sampling)
      delay.disable()
      return { delay: delay.max / 1e6, peak }
    },
  },
  async () => {
    server.close()
    server.closeAllConnections()
    await contestant.close()
  },
)
