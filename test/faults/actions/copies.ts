import { findProgram } from '../../setup/program.js'
import type { World } from '../world.js'
import { aWhile, type Fault, filesOf } from './fault.js'

const PLAIN = {
  lane: 'store',
  missing: () => (findProgram('sqlite3') ? null : 'sqlite3 is not installed'),
} as const

/** Backups, which disturb nobody, and older states that come back. */
export const COPIES: readonly Fault[] = [
  {
    ...PLAIN,
    kind: 'backup',
    resets: 0,
    act: async ({ world }, random) => {
      const [copy, said] = [older(world), random.chance(0.5)]
      await world.run('rm', ['-f', copy])
      const { stderr } = await world.sqlite(said ? `.backup ${copy}` : `VACUUM INTO '${copy}';`)
      await world.run('rm', ['-f', copy])
      return `${said ? '.backup' : 'VACUUM INTO'} ${stderr}`
    },
  },
  {
    ...PLAIN,
    kind: 'restore',
    resets: 1,
    act: ({ world }, random) =>
      withOlder(world, async (copy) => {
        const ms = await aWhile(random, 200, 2500)
        const { stderr } = await world.sqlite(`.restore ${copy}`)
        return `to ${ms} ago, in place ${stderr}`
      }),
  },
  {
    ...PLAIN,
    kind: 'restore-twice',
    resets: 2,
    act: ({ world }, random) =>
      withOlder(world, async (copy) => {
        const before = await aWhile(random, 200, 1500)
        const first = await world.sqlite(`.restore ${copy}`)
        const between = await aWhile(random, 10, 2000)
        const second = await world.sqlite(`.restore ${copy}`)
        return `to ${before} ago, and again ${between} later ${first.stderr} ${second.stderr}`
      }),
  },
  {
    ...PLAIN,
    kind: 'copy-over',
    // The pages of one state under the -wal of another: what is damaged is set aside, which is a second new store.
    resets: 2,
    act: ({ world }, random) =>
      withOlder(world, async (copy) => {
        const ms = await aWhile(random, 200, 1500)
        await world.run('cp', [copy, world.store])
        return `cp of a state ${ms} old over the main file`
      }),
  },
  rename('rename-in', false),
  rename('rename-in-clean', true),
]

function rename(kind: string, isClean: boolean): Fault {
  return {
    ...PLAIN,
    kind,
    resets: isClean ? 1 : 2,
    act: ({ world }, random) =>
      withOlder(world, async (copy) => {
        const ms = await aWhile(random, 200, 1500)
        if (isClean) await world.run('rm', ['-f', ...filesOf(world.store).slice(1)])
        await world.run('mv', [copy, world.store])
        return `a state ${ms} old, ${isClean ? 'without' : 'beside'} the side files that were there`
      }),
  }
}

function older(world: World): string {
  return `${world.root}/older.sqlite`
}

/** Keeps a copy of the present state for what follows. */
export async function withOlder(world: World, act: (copy: string) => Promise<string>): Promise<string> {
  const copy = older(world)
  const { code, stderr } = await world.sqlite(`.backup ${copy}`)
  const isKept = code === 0 && stderr === ''
  const what = isKept ? await act(copy) : `no copy could be made: ${stderr}`
  await world.run('rm', ['-f', ...filesOf(copy)])
  return what
}
