import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { FileSignalError } from '../errors.js'
import { type Cursor, formatId, type Hint, parseId } from '../event.js'
import { lookAt, makeFile, makeFolder } from '../folders.js'
import type { SignalSite } from './engine.js'

/**
 * The signal file: the newest event's id, padded with spaces to 47 bytes, and a line break. It is written
 * in place, never truncated or replaced by us, so that its watchers and its readers' descriptors stay good.
 *
 * Every method finds out by one lstat whether the file at the path is still the one that is open: a
 * descriptor on a deleted file can be written for ever without anybody noticing.
 */
export interface SignalFile {
  /** Throws ROOT_UNKNOWN. */
  path(): string
  /** Writes the id, making folder and file where they are missing. Throws what folders.ts throws, or a system error. */
  write(head: Cursor): void
  /** The row that the file names; null where it is missing, unreadable or names none. Never throws. */
  newest(): Hint | null
  /** Makes folder and file where missing, holds the file open, and tells which file it is. Throws like `write`. */
  hold(): string
  /** Whether the file that is held is still the one at the path. Throws where it is unsafe or unreadable. */
  isHeld(): boolean
  /** What polling compares; null where there is nothing to see. Never throws. */
  stat(): BigIntStats | null
  /** Changes the file without changing what it says, for the self-test; false where this user may not write. */
  touch(): boolean
  /** Undoes `hold`. */
  release(): void
  /** Lets go of everything. What is called afterwards opens again. */
  close(): void
}

/** Length of a record. Every record is as long, so a shorter one never leaves the tail of a longer one. */
const RECORD = 48
const LINE_BREAK = 10

// O_NONBLOCK: opening a FIFO would freeze the event loop. Both are undefined on Windows.
const SAFE = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** One open file, and which one it is. An open descriptor also keeps the inode's number from being reused. */
interface Open {
  readonly fd: number
  readonly dev: number
  readonly ino: number
}

export function createSignalFile(site: SignalSite): SignalFile {
  const path = site.signalFile
  const buffer = Buffer.alloc(RECORD + 16)
  let writing: Open | null = null
  let reading: Open | null = null
  let held: Open | null = null
  let known: { text: string; hint: Hint | null } = { text: '', hint: null }

  function make(): void {
    makeFolder(dirname(path()), site)
    if (!lookAt(path())) makeFile(path(), site)
  }

  function writable(): number {
    if (writing && isAt(writing, path())) return writing.fd
    return reopen().fd
  }

  function reopen(): Open {
    make()
    writing = replace(writing, path(), constants.O_WRONLY)
    return writing
  }

  /** Writes first and looks afterwards: looking takes longer than writing, and a deleted file takes no harm. */
  function write(record: string): void {
    if (writing) writeSync(writing.fd, record, 0, 'latin1')
    if (!writing || !isAt(writing, path())) writeSync(reopen().fd, record, 0, 'latin1')
  }

  /**
   * Reads until two reads agree: a read that overlaps a write could show digits of both, and a number that
   * was never given out would look like a restored store.
   */
  function readStable(fd: number): string | null {
    let last = known.text
    for (let i = 0; i < 5; i += 1) {
      const text = buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0))
      if (text === last) return text
      last = text
    }
    return null
  }

  function newest(): Hint | null {
    try {
      if (!reading || !isAt(reading, path())) {
        if (!lookAt(path())) return null
        reading = replace(reading, path(), constants.O_RDONLY)
      }
      const text = readStable(reading.fd)
      if (text === null) return null
      if (text !== known.text) known = { text, hint: parseRecord(text) }
      return known.hint
    } catch {
      return null
    }
  }

  function touch(): boolean {
    try {
      const fd = writable()
      const { size } = fstatSync(fd)
      if (size >= RECORD && byteAt(path(), RECORD - 1) === LINE_BREAK) writeSync(fd, '\n', RECORD - 1)
      else append(path(), `${' '.repeat(Math.max(0, RECORD - 1 - size))}\n`)
      return true
    } catch {
      return false
    }
  }

  function release(): void {
    if (held) closeSync(held.fd)
    held = null
  }

  return {
    path,
    write: (head) => write(`${formatId(head.epoch, head.n).padEnd(RECORD - 1)}\n`),
    newest,
    hold: () => {
      make()
      held = replace(held, path(), constants.O_RDONLY)
      return `${held.dev}:${held.ino}`
    },
    isHeld: () => {
      const stats = lookAt(path())
      if (!held || !stats || stats.ino !== held.ino || stats.dev !== held.dev) return false
      accessSync(path(), constants.R_OK)
      return true
    },
    stat: () => {
      try {
        return lstatSync(path(), { bigint: true, throwIfNoEntry: false }) ?? null
      } catch {
        return null
      }
    },
    touch,
    release,
    close: () => {
      release()
      if (writing) closeSync(writing.fd)
      if (reading) closeSync(reading.fd)
      writing = reading = null
    },
  }
}

/** The first token of the first line: an id, or the bare number of a writer in another language. */
export function parseRecord(text: string): Hint | null {
  const token = /^[ \t]*([^\s\0]+)/.exec(text)?.[1] ?? ''
  if (!/^[0-9]{1,16}$/.test(token)) return parseId(token)
  const n = Number(token)
  return Number.isSafeInteger(n) ? { epoch: null, n } : null
}

function isAt(open: Open, path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats !== undefined && stats.ino === open.ino && stats.dev === open.dev
}

/** The old descriptor goes only when the new one is there: until then its inode's number is taken. */
function replace(old: Open | null, path: string, flags: number): Open {
  const open = openRegular(path, flags)
  if (old) closeSync(old.fd)
  return open
}

function openRegular(path: string, flags: number): Open {
  const fd = openSync(path, flags | SAFE)
  const stats = fstatSync(fd)
  if (stats.isFile()) return { fd, dev: stats.dev, ino: stats.ino }
  closeSync(fd)
  throw new FileSignalError('PATH_UNSAFE', `"${path}" is not a regular file`)
}

function byteAt(path: string, position: number): number {
  const { fd } = openRegular(path, constants.O_RDONLY)
  try {
    const byte = Buffer.alloc(1)
    readSync(fd, byte, 0, 1, position)
    return byte[0] ?? 0
  } finally {
    closeSync(fd)
  }
}

/** At the end, wherever that is by then: at a fixed place it could hit a number that another process writes. */
function append(path: string, text: string): void {
  const { fd } = openRegular(path, constants.O_WRONLY | constants.O_APPEND)
  try {
    writeSync(fd, text)
  } finally {
    closeSync(fd)
  }
}
