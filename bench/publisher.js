// A publishing process of one contestant: node publisher.js CONTESTANT FOLDER, asked through bench/workers.js.
import { setTimeout as sleep } from 'node:timers/promises'
import { CONTESTANTS } from './contestants.js'
import { clock, createPayload } from './payload.js'
import { answer } from './workers.js'

const [, , name, folder] = process.argv
const contestant = CONTESTANTS[name](folder)

answer(
  {
    /** One event at a time, each at its own moment, as users cause them. */
    async pace({ key, rate, count }) {
      const start = performance.now()
      for (let i = 0; i < count; i += 1) {
        await sleep(start + (i * 1000) / rate - performance.now())
        await contestant.signal(key, createPayload())
      }
    },
    /** As fast as signal() goes; returns when the first began, in microseconds of clock(). */
    async burst({ key, count }) {
      const start = clock()
      for (let i = 0; i < count; i += 1) await contestant.signal(key, createPayload())
      return start
    },
    /** Events stored per second by one signal() after another. */
    async timeSignal({ count }) {
      const start = performance.now()
      for (let i = 0; i < count; i += 1) await contestant.signal(`order:${i % 100}`, createPayload())
      return (count * 1000) / (performance.now() - start)
    },
    /** Events stored per second by one transaction. */
    async timeSignalMany({ count }) {
      const entries = createEntries(count, (i) => `order:${i % 100}`)
      const start = performance.now()
      await contestant.signalMany(entries)
      return (count * 1000) / (performance.now() - start)
    },
    /** With `keys` that many different ones, in no order that an index would like. */
    async fill({ key, count, keys = 0 }) {
      const keyOf = () => (keys > 0 ? key + Math.floor(Math.random() * keys) : key)
      for (let left = count; left > 0; left -= 1000) {
        await contestant.signalMany(createEntries(Math.min(left, 1000), keyOf))
      }
    },
  },
  contestant.close,
)

function createEntries(count, keyOf) {
  return Array.from({ length: count }, (_, i) => ({ key: keyOf(i), payload: createPayload() }))
}
