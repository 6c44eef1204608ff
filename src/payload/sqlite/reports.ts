import { performance } from 'node:perf_hooks'
import { FileSignalError, quotePath } from '../../errors.js'
import { weaknessOf } from './fault.js'

/** Tells what was found wrong with the files of a store, each incident once in a process. */
export interface Reports {
  /** A side file was lost; `restored` events were put back. */
  split(restored: number): void
  /** The store has another epoch. Nothing is told where that is the outcome of what was told already. */
  restored(): void
  /** A damaged store was renamed to `aside`. */
  damaged(aside: string): void
  /** The store is on a disk that bears no WAL. */
  network(): void
  /** What follows is part of an incident that will be told. */
  hush(): void
  /** What follows is an incident of its own. */
  speak(): void
}

/** Milliseconds in which every process has looked, and what one did about a lost file has reached the others. */
const QUIET = 10_000

export function createReports(path: string, report: (error: FileSignalError) => void): Reports {
  let quietUntil = 0

  function hush(): void {
    quietUntil = performance.now() + QUIET
  }

  return {
    hush,
    speak: () => {
      quietUntil = 0
    },
    split: (restored) => {
      hush()
      const what = `a -wal or -shm file of ${quotePath(path)} was deleted or replaced while it was open`
      const saved = restored === 1 ? '1 event was put back' : `${restored} events were put back`
      report(new FileSignalError('STORE_SPLIT', restored === 0 ? what : `${what}; ${saved}`))
    },
    restored: () => {
      if (performance.now() < quietUntil) return
      hush()
      const what = `${quotePath(path)} is another file, or is in an older state, than was signalled or seen here`
      report(new FileSignalError('STORE_RESTORED', what))
    },
    damaged: (aside) => {
      hush()
      const what = `${quotePath(path)} is damaged and was renamed to ${quotePath(aside)}`
      report(new FileSignalError('STORE_DAMAGED', what))
    },
    network: () => {
      report(new FileSignalError('STORE_NETWORK', `${quotePath(path)} ${weaknessOf(path)}`))
    },
  }
}
