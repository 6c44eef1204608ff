import { aWhile, type Fault } from './fault.js'

const PLAIN = { lane: 'hosts', resets: 0 } as const

/** What happens to processes and their clocks. */
export const HOSTS: readonly Fault[] = [
  {
    ...PLAIN,
    kind: 'kill',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      await member.end('SIGKILL')
      const away = await aWhile(random, 0, 1500)
      await member.start()
      return `${member.name}, back after ${away}`
    },
  },
  {
    ...PLAIN,
    kind: 'restart',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      await member.end('SIGTERM')
      await member.start()
      return member.name
    },
  },
  {
    ...PLAIN,
    kind: 'stop',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      member.signal('SIGSTOP')
      const ms = await aWhile(random, 200, 4000)
      member.signal('SIGCONT')
      return `${member.name} for ${ms}`
    },
  },
  {
    ...PLAIN,
    kind: 'idle',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      const [ms, then] = [random.whole(1000, 8000), random.whole(1, 60)]
      member.order({ type: 'idle', ms, then })
      return `${member.name} for ${ms} ms, then ${then} at once`
    },
  },
  {
    ...PLAIN,
    kind: 'clock',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      const ms = random.pick([-3_600_000, -60_000, 0, 1000, 60_000, 3_600_000])
      member.order({ type: 'clock', ms })
      return `${member.name} is ${ms} ms off`
    },
  },
  {
    ...PLAIN,
    kind: 'passer',
    act: async ({ passers, keys }, random) => {
      const passer = random.pick(passers)
      const chosen = Array.from({ length: random.whole(1, 4) }, () => random.pick(keys))
      const codes = await Promise.all(chosen.map((key) => passer.publish(key)))
      return `${passer.name} ${codes.map((code) => code || 'stored').join(' ')}`
    },
  },
  {
    ...PLAIN,
    kind: 'prune',
    act: async ({ members }, random) => {
      const member = random.pick(members)
      member.order({ type: 'prune' })
      return member.name
    },
  },
]
