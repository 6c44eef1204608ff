import { findProgram } from '../../setup/program.js'
import type { Random } from '../random.js'
import { withOlder } from './copies.js'
import { aWhile, type Fault, filesOf, type Stage } from './fault.js'

/** What is done to the store while nothing runs; then a random process is the first to come. */
export const COLD: readonly Fault[] = [
  cold('cold-nothing', 0, async () => {}),
  cold('cold-wal-gone', 1, async ({ world }) => {
    await world.run('rm', ['-f', `${world.store}-wal`])
  }),
  cold('cold-side-gone', 1, async ({ world }) => {
    await world.run('rm', ['-f', ...filesOf(world.store).slice(1)])
  }),
  cold('cold-all-gone', 1, async ({ world }) => {
    await world.run('rm', ['-f', ...filesOf(world.store)])
  }),
  cold('cold-emptied', 1, async ({ world }) => {
    await world.sqlite('DELETE FROM events; DELETE FROM sqlite_sequence;')
  }),
  cold('cold-rebooted', 0, async ({ world }) => {
    await world.sqlite("UPDATE meta SET value = 'another' WHERE name = 'boot';")
  }),
  coldOlder('cold-restore', async ({ world }, copy) => {
    await world.sqlite(`.restore ${copy}`)
  }),
  coldOlder('cold-rename-in', async ({ world }, copy) => {
    await world.run('mv', [copy, world.store])
  }),
]

const missing = () => (findProgram('sqlite3') ? null : 'sqlite3 is not installed')

function cold(kind: string, resets: number, change: (stage: Stage) => Promise<void>): Fault {
  return {
    kind,
    lane: 'store',
    isAlone: true,
    resets,
    missing: () => missing(),
    act: (stage, random) => whileNothingRuns(stage, random, () => change(stage)),
  }
}

function coldOlder(kind: string, change: (stage: Stage, copy: string) => Promise<void>): Fault {
  return {
    kind,
    lane: 'store',
    isAlone: true,
    resets: 1,
    missing: () => missing(),
    act: (stage, random) =>
      withOlder(stage.world, async (copy) => {
        const ms = await aWhile(random, 200, 1500)
        return `${await whileNothingRuns(stage, random, () => change(stage, copy))}, to ${ms} ago`
      }),
  }
}

async function whileNothingRuns(stage: Stage, random: Random, change: () => Promise<void>): Promise<string> {
  const { members, passers, keys } = stage
  await Promise.all(members.map((member) => member.end('SIGKILL')))
  await change()
  const first = random.pick([...members, ...passers])
  if ('publish' in first) await first.publish(random.pick(keys))
  else await first.start()
  await Promise.all(members.filter((member) => member !== first).map((member) => member.start()))
  return `${first.name} came first`
}
