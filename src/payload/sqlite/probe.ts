import {
  accessSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { attempt } from '../../attempt.js'
import { codeOf } from '../../errors.js'
import { limitOf } from '../../limits.js'
import { errnoOf } from '../../obstacle.js'

/** The store itself, and SQLite's files beside it. */
const SIDES = Object.freeze(['', '-wal', '-shm', '-journal'])
const SAFE = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
/** Bytes that are written for a try: as many as one commit may take. A page or two may still fit where nothing else does. */
const TRIED = 1024 * 1024
const BYTE = Buffer.alloc(1)

/**
 * Finds the errno that SQLite met when it wrote, for the drivers tell only SQLITE_IOERR: writes a byte behind the
 * -wal, and a nameless file into the same folder. '' where all goes well by now.
 */
export function errnoOfWriting(path: string): string {
  return first(
    () => lengthen(`${path}-wal`),
    () => tooLarge(path),
    () => tryFolder(path),
  )
}

/** The same for opening: SQLITE_CANTOPEN and SQLITE_READONLY are said of rights, limits, mounts and full disks alike. */
export function errnoOfOpening(path: string): string {
  return first(
    () => void statSync(dirname(path)),
    () => closeSync(openSync('/dev/null', 'r')),
    () => mayUse(path),
    () => openSides(path),
    () => tryFolder(path),
  )
}

function first(...steps: readonly (() => void)[]): string {
  for (const step of steps) {
    try {
      step()
    } catch (error) {
      const errno = errnoOf(error)
      if (/^E[A-Z]+$/.test(errno)) return errno
    }
  }
  return ''
}

function mayUse(path: string): void {
  for (const side of SIDES) {
    if (attempt(() => statSync(path + side))) accessSync(path + side, constants.R_OK | constants.W_OK)
  }
}

/**
 * Never what this process has open, for closing any descriptor drops the locks that it holds there. The -wal bears it: its
 * locks are held in the -shm.
 */
function openSides(path: string): void {
  const held = heldPlaces()
  for (const side of SIDES) {
    const place = attempt(() => realpathSync(path + side)) ?? path + side
    if (side === '-wal' || (held !== null && !held.includes(place))) withOpen(path + side, constants.O_RDWR)
  }
}

/** What this process has open; null where that cannot be told. */
function heldPlaces(): string[] | null {
  const list = attempt(() => readdirSync('/proc/self/fd'))
  return list?.flatMap((fd) => attempt(() => readlinkSync(`/proc/self/fd/${fd}`)) ?? []) ?? null
}

/** A byte at the end of a -wal is no frame, so SQLite ignores it, and writes the next frame over it. */
function lengthen(wal: string): void {
  withOpen(wal, constants.O_RDWR | constants.O_APPEND, (fd) => writeSync(fd, BYTE, 0, 1, 0))
}

/** Opens what is there, and what is not is none of its business. */
function withOpen(path: string, flags: number, use: (fd: number) => void = () => {}): void {
  let fd: number
  try {
    fd = openSync(path, flags | SAFE)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  try {
    use(fd)
  } finally {
    closeSync(fd)
  }
}

function tooLarge(path: string): void {
  const most = limitOf('Max file size')
  if (most === null) return
  for (const side of SIDES) {
    const size = attempt(() => statSync(path + side).size) ?? 0
    if (size + TRIED / 16 > most) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
  }
}

/** The file loses its name before it gets its bytes, so that nothing of it is left, however this ends. */
function tryFolder(path: string): void {
  const probe = join(dirname(path), `.file-signal-probe-${process.pid}`)
  attempt(() => unlinkSync(probe))
  const fd = openSync(probe, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | SAFE, 0o600)
  try {
    attempt(() => unlinkSync(probe))
    const piece = Buffer.alloc(TRIED / 16)
    for (let written = 0; written < TRIED; ) written += writeSync(fd, piece)
  } finally {
    closeSync(fd)
    attempt(() => unlinkSync(probe))
  }
}
