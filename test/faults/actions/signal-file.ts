import { chmodSync, writeFileSync } from 'node:fs'
import type { World } from '../world.js'
import { aWhile, type Fault } from './fault.js'

/** What happens to the hint, and to its folder: never a loss, never a reset but where it tells of a higher number. */
export const SIGNAL_FILE: readonly Fault[] = [
  fault('signal-gone', async ({ run, signalFile }) => void (await run('rm', ['-f', signalFile]))),
  fault('signal-folder-gone', async ({ run, signalFolder }) => void (await run('rm', ['-rf', signalFolder]))),
  forbid('signal-forbidden', ({ signalFile }) => signalFile),
  forbid('signal-folder-forbidden', ({ signalFolder }) => signalFolder),
  ...['', '\0\0\0\0', 'x'.repeat(200), '-1', 'NaN-NaN', 'epoch-1'].map((text, i) =>
    fault(`scribble-${i}`, async ({ signalFile }) => writeFileSync(signalFile, text)),
  ),
  {
    kind: 'scribble-ahead',
    lane: 'store',
    resets: 1,
    act: async ({ world }, random) => {
      const { stdout } = await world.sqlite('SELECT epoch FROM standing;')
      const text = random.chance(0.5)
        ? '987654321'
        : `${stdout.trim()}-${random.whole(100_000_000, 200_000_000)}`
      try {
        writeFileSync(world.signalFile, `${text.padEnd(47)}\n`)
      } catch {}
      return text
    },
  },
]

function fault(kind: string, change: (world: World) => Promise<void>): Fault {
  return {
    kind,
    lane: 'store',
    resets: 0,
    act: async ({ world }) => {
      await change(world).catch(() => {})
      return ''
    },
  }
}

function forbid(kind: string, which: (world: World) => string): Fault {
  return {
    kind,
    lane: 'store',
    resets: 0,
    act: async ({ world }, random) => {
      const path = which(world)
      const chmod = (mode: number) => {
        try {
          chmodSync(path, mode)
        } catch {}
      }
      chmod(0)
      const ms = await aWhile(random, 200, 1500)
      chmod(path === world.signalFile ? 0o600 : 0o700)
      return `for ${ms}`
    },
  }
}
