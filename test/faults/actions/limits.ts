import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { withoutInotify } from '../../setup/inotify.js'
import { findProgram } from '../../setup/program.js'
import { aWhile, type Fault } from './fault.js'

const PLAIN = { lane: 'hosts', resets: 0 } as const

/** What a host runs out of. */
export const LIMITS: readonly Fault[] = [
  {
    ...PLAIN,
    kind: 'descriptors',
    missing: () => (findProgram('prlimit') ? null : 'prlimit is not installed'),
    act: async ({ world, members }, random) => {
      const member = random.pick(members)
      const { pid } = member
      if (pid === undefined) return `${member.name} has no life`
      const open = readdirSync(`/proc/${pid}/fd`).length
      const [, soft, hard] =
        /^Max open files +(\d+) +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8')) ?? []
      const set = (n: number | string | undefined) =>
        world.run('prlimit', ['--pid', String(pid), `--nofile=${n}:${hard}`])
      const left = random.whole(0, 3)
      await set(open + left)
      const ms = await aWhile(random, 300, 2500)
      await set(soft)
      return `${member.name}, ${left} left for ${ms}`
    },
  },
  {
    ...PLAIN,
    kind: 'inotify',
    missing: () =>
      withoutInotify() ? null : 'the kernel makes no user namespace with limits of its own here',
    act: async ({ webs }, random) => {
      const web = random.pick(webs)
      await web.end('SIGTERM')
      await web.start(withoutInotify() ?? [])
      const ms = await aWhile(random, 1000, 3000)
      await web.end('SIGTERM')
      await web.start()
      return `${web.name} had none for ${ms}`
    },
  },
  {
    ...PLAIN,
    lane: 'store',
    kind: 'disk-full',
    missing: ({ isSmall }) => (isSmall ? null : 'no tmpfs can be mounted here'),
    act: async ({ world }, random) => {
      const filler = join(world.root, 'filler')
      await world.run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=256k'])
      const ms = await aWhile(random, 300, 2500)
      await world.run('rm', ['-f', filler])
      return `for ${ms}`
    },
  },
]
