import { aWhile, type Fault, filesOf } from './fault.js'

/** Files that go while processes have them open: cleaners, sync tools, operators. */
export const SIDE_FILES: readonly Fault[] = [
  remove('unlink-side', (store) => filesOf(store).slice(1)),
  remove('unlink-wal', (store) => [`${store}-wal`]),
  remove('unlink-shm', (store) => [`${store}-shm`]),
  remove('unlink-main', (store) => [store]),
  remove('unlink-all', filesOf),
  {
    kind: 'prune-unlink',
    lane: 'store',
    resets: 1,
    act: async ({ world, members }, random) => {
      for (const member of members) member.order({ type: 'prune' })
      await aWhile(random, 0, 20)
      await world.run('rm', ['-f', world.store])
      return 'main file gone while everybody prunes'
    },
  },
  {
    kind: 'folder-gone',
    lane: 'store',
    resets: 1,
    act: async ({ world }) => {
      await world.run('rm', ['-rf', `${world.root}/data`])
      return 'data/ removed'
    },
  },
  {
    kind: 'away-back',
    lane: 'store',
    resets: 2,
    act: async ({ world }, random) => {
      await world.run('mv', [world.store, `${world.store}.aside`])
      const ms = await aWhile(random, 5, 2500)
      await world.run('mv', [`${world.store}.aside`, world.store])
      return `main file away for ${ms}`
    },
  },
  {
    kind: 'copy-close',
    lane: 'store',
    resets: 1,
    act: async ({ world, members }, random) => {
      const member = random.pick(members)
      const copied = member.next('copied', 5000)
      member.order({ type: 'copy', from: world.store, to: `${world.store}.copy` })
      await copied
      // Any close of a descriptor has dropped the process's locks: an old SQLite takes itself for alone now.
      const { stdout } = await world.sqlite('SELECT count(*) FROM events;')
      await world.run('rm', ['-f', `${world.store}.copy`])
      return `${member.name} copied, sqlite3 saw ${stdout.trim()} rows`
    },
  },
]

function remove(kind: string, which: (store: string) => string[]): Fault {
  return {
    kind,
    lane: 'store',
    resets: 1,
    act: async ({ world }) => {
      await world.run('rm', ['-f', ...which(world.store)])
      return ''
    },
  }
}
