import type { Stage } from './actions/fault.js'
import { createMember, freePort, type Member } from './members.js'
import { createPassers } from './passers.js'
import { createRandom } from './random.js'
import { createReader } from './readers/reader.js'
import { type Entry, JOBS } from './record.js'
import type { World } from './world.js'

const KEYS = ['a', 'b', 'c', 'd', 'e']

/** Who plays in a run: two web processes, three publishers, eight readers, two more at the mailbox, and passers. */
export async function createTroupe(world: World, seed: number, log: (entry: Entry) => void): Promise<Stage> {
  const site = { world, seed, keys: KEYS, log }
  const webs: Member[] = []
  for (const [name, pace] of [
    ['web1', 120],
    ['web2', 0],
  ] as const) {
    webs.push(createMember({ ...site, name, pace, port: await freePort() }))
  }
  const publishers = [
    createMember({ ...site, name: 'busy', pace: 40, port: null }),
    createMember({ ...site, name: 'calm', pace: 300, port: null }),
    createMember({ ...site, name: 'rare', pace: 3000, port: null }),
  ]
  const members = [...webs, ...publishers]
  await Promise.all(members.map((member) => member.start()))
  const random = createRandom(seed + 17)
  const port = () => random.pick(webs).port ?? 0
  const listening = [KEYS, KEYS, ['a'], ['b'], ['c', 'd'], ['a', 'e'], ['e'], ['b', 'c', 'd']]
  const readers = [
    ...listening.map((keys, i) => createReader({ name: `r${i + 1}`, keys, port, log })),
    ...['m1', 'm2'].map((name) => createReader({ name, keys: [JOBS], port, log })),
  ]
  return { world, members, webs, publishers, readers, passers: createPassers(world, log), keys: KEYS }
}
