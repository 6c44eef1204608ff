import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'

/** A clock that nobody can set, and that all processes with the same `name` read alike. */
export interface MachineClock {
  readonly name: string
  /** Whole milliseconds from a beginning of its own; it stands still while the machine sleeps. */
  now(): number
}

/** Seconds by which two processes may find their clocks apart: measuring takes time, and a lease lasts longer. */
const TOLERANCE = 5

let clock: MachineClock | null = null

/**
 * The monotonic clock of this run of the machine.
 *
 * Its times mean nothing to a process on another run, another kernel or in a time namespace with other offsets, so its
 * name tells all of these, and how far the clock is from what the kernel says of its uptime: a library that pretends
 * another time to one process mostly moves the monotonic clock, too. A name that differs without need costs time (see
 * deadlines.ts), one that agrees without reason would end the living.
 */
export function machineClock(): MachineClock {
  clock ??= { name: nameOf(bootId(), read('/proc/self/timens_offsets'), skew()), now: monotonic }
  return clock
}

function monotonic(): number {
  return Number(process.hrtime.bigint() / 1_000_000n)
}

function nameOf(...facts: readonly (string | number | null)[]): string {
  return createHash('sha256').update(facts.join('\n')).digest('base64url').slice(0, 16)
}

/** Where the system has no boot id: when it began, by a clock that can be set, which then makes another name. */
function bootId(): string | number {
  const began = Math.round((Date.now() / 1000 - uptime()) / TOLERANCE)
  return read('/proc/sys/kernel/random/boot_id') ?? began
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}

/** Monotonic clock less uptime, rounded. Whoever is interrupted between the two finds too little, so look thrice. */
function skew(): number {
  const looks = [1, 2, 3].map(() => monotonic() / 1000 - uptime())
  return Math.round(Math.max(...looks) / TOLERANCE)
}
