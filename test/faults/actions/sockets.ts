import type { Random } from '../random.js'
import { JOBS } from '../record.js'
import type { Fault, Stage } from './fault.js'

const PLAIN = { lane: 'hosts', resets: 0 } as const

/** What happens between a client and its server. What was flushed to a client of a mailbox that is gone is gone: not to those. */
export const SOCKETS: readonly Fault[] = [
  {
    ...PLAIN,
    kind: 'cut',
    act: async (stage, random) => {
      const some = Array.from({ length: random.whole(1, 3) }, () => reader(stage, random))
      for (const one of some) one.cut(random.whole(0, 300))
      return some.map(({ name }) => name).join()
    },
  },
  {
    ...PLAIN,
    kind: 'away',
    act: async (stage, random) => {
      const one = reader(stage, random)
      const ms = random.whole(1000, 9000)
      one.cut(ms)
      return `${one.name} for ${ms} ms`
    },
  },
  {
    ...PLAIN,
    kind: 'cut-block',
    act: async (stage, random) => {
      const one = reader(stage, random)
      const bytes = random.whole(200, 1500)
      one.cutBehind(bytes)
      one.cut(0)
      return `${one.name} behind ${bytes} bytes`
    },
  },
  {
    ...PLAIN,
    kind: 'slow',
    act: async (stage, random) => {
      const one = reader(stage, random)
      const ms = random.whole(500, 7000)
      one.stall(ms)
      return `${one.name} for ${ms} ms`
    },
  },
  {
    ...PLAIN,
    kind: 'half-open',
    act: async (stage, random) => {
      const one = reader(stage, random)
      one.abandon()
      return one.name
    },
  },
]

function reader({ readers }: Stage, random: Random) {
  return random.pick(readers.filter(({ keys }) => keys[0] !== JOBS))
}
