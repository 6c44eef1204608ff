import { setTimeout as pause } from 'node:timers/promises'
import type { Member } from '../members.js'
import type { Passer } from '../passers.js'
import type { Random } from '../random.js'
import type { Reader } from '../readers/reader.js'
import type { World } from '../world.js'

/** All that a fault can do something to. */
export interface Stage {
  readonly world: World
  /** Web processes first, then publishers. */
  readonly members: readonly Member[]
  readonly webs: readonly Member[]
  readonly publishers: readonly Member[]
  readonly readers: readonly Reader[]
  readonly passers: readonly Passer[]
  readonly keys: readonly string[]
}

/** Something that happens to files, rows, clocks, processes or sockets. */
export interface Fault {
  readonly kind: string
  /** Faults of one lane follow one another; the lanes run side by side. */
  readonly lane: 'store' | 'hosts'
  /** Resets that each reader may be sent for it, at most. Where there are any, stored rows may be gone as well. */
  readonly resets: number
  /** Nothing may happen to processes meanwhile. */
  readonly isAlone?: boolean
  /** Why it cannot happen here, or null. */
  readonly missing?: (world: World) => string | null
  /** Does it, and resolves when it is over, with what was done. */
  readonly act: (stage: Stage, random: Random) => Promise<string>
}

/** Part of a fault: waits a while, different each time. */
export async function aWhile(random: Random, from: number, to: number): Promise<string> {
  const ms = random.whole(from, to)
  await pause(ms)
  return `${ms} ms`
}

/** The store's files: the main one, and those beside it. */
export function filesOf(store: string): string[] {
  return [store, `${store}-wal`, `${store}-shm`]
}
