import { chmodSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { aWhile, type Fault, filesOf } from './fault.js'

/** Rights that change for a moment. They tell only where the processes are not root's. */
export const RIGHTS: readonly Fault[] = [
  forbid('chmod-folder', (store) => dirname(store), [0o400, 0o500, 0o000]),
  forbid('chmod-root', (store) => dirname(dirname(store)), [0o400, 0o500]),
  forbid('chmod-main', (store) => store, [0o400, 0o000]),
  forbid('chmod-wal', (store) => filesOf(store)[1] ?? '', [0o400, 0o000]),
  forbid('chmod-shm', (store) => filesOf(store)[2] ?? '', [0o400, 0o000]),
]

function forbid(kind: string, which: (store: string) => string, modes: readonly number[]): Fault {
  return {
    kind,
    lane: 'store',
    resets: 0,
    act: async ({ world, members }, random) => {
      const path = which(world.store)
      const mode = random.pick(modes)
      const again = random.chance(0.4) ? random.pick(members) : null
      let before: number
      try {
        before = statSync(path).mode & 0o777
        chmodSync(path, mode)
      } catch {
        return 'it is not there'
      }
      // Whoever opens the store now meets the rights at once.
      const reborn = again?.end('SIGKILL').then(() => again.start())
      const ms = await aWhile(random, 200, 2000)
      try {
        chmodSync(path, before)
      } catch {}
      await reborn
      return `${mode.toString(8)} for ${ms}${again ? `, ${again.name} killed meanwhile` : ''}`
    },
  }
}
