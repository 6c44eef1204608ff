import { FileSignalError } from '../../errors.js'
import type { Appended } from '../engine.js'

/** Thrown where only the main file is gone: what is left of it must be cleared under the lock first. */
export class Leftovers extends Error {}

/** Thrown where rows or tables of ours have vanished: opening the store anew makes them again. */
export class Incomplete extends Error {}

/** Thrown where a store of ours is broken. */
export class Damaged extends Error {
  constructor(
    readonly inode: string,
    cause: unknown,
  ) {
    super('the store is damaged', { cause })
  }
}

/** Thrown after a commit into a file that no longer stands at the path. */
export class Moved extends Error {}

/** Thrown where the connection's -wal or -shm is not the one at the path: it must be given up under the lock first. */
export class Split extends Error {}

/** Thrown after a commit where the path cannot be looked at, so that nobody knows yet what it was good for. */
export class Unseen extends Error {
  /** `look` looks again: throws `Moved`, or what keeps it from looking; otherwise the commit counts. */
  constructor(
    readonly look: () => readonly Appended[],
    cause: unknown,
  ) {
    super('the path of the store cannot be looked at', { cause })
  }
}

/** True for what another connection to the same path may not say; false for what needs a lock first. */
export function isOfConnection(error: unknown): boolean {
  return !(
    error instanceof FileSignalError ||
    error instanceof Leftovers ||
    error instanceof Damaged ||
    error instanceof Split ||
    error instanceof Unseen
  )
}
