import { closeSync, constants, lstatSync, openSync, readSync, writeSync } from 'node:fs'
import { makeFile, type Rights } from '../../folders.js'

/**
 * A note beside the store, `<store>-owner`: the inode of the main file, and inode and birth of the -wal that belongs to
 * it. SQLite replays whatever -wal it finds: one that a killed process left, into a copy that was renamed into
 * the place of its store, which spoils the copy.
 *
 * The note is a hint, like the signal: without it, or where the file system tells no birth, nothing is judged.
 */
const SUFFIX = '-owner'
const RECORD = 96
const SAFE = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

/** True where the -wal at the path is known to belong to another main file than the one that stands there. */
export function isForeignWal(path: string): boolean {
  const wal = walIdentity(path)
  if (wal === null) return false
  const [main, noted] = readNote(path)
  return noted === wal && main !== mainIdentity(path)
}

/** Notes whose -wal it is that stands at the path now. Never throws: who may not write it judges nothing. */
export function noteOwner(path: string, rights: Rights): void {
  const wal = walIdentity(path)
  if (wal === null) return
  const [main, noted] = readNote(path)
  const current = mainIdentity(path)
  if (main === current && noted === wal) return
  try {
    makeFile(`${path}${SUFFIX}`, rights)
    const fd = openSync(`${path}${SUFFIX}`, constants.O_WRONLY | SAFE)
    try {
      writeSync(fd, `${`${current} ${wal}`.padEnd(RECORD - 1)}\n`, 0, 'latin1')
    } finally {
      closeSync(fd)
    }
  } catch {
    // Another user's, a full disk: a killed process's -wal is then taken for the main file's own, as SQLite does.
  }
}

function readNote(path: string): readonly string[] {
  try {
    const fd = openSync(`${path}${SUFFIX}`, constants.O_RDONLY | SAFE)
    try {
      const buffer = Buffer.alloc(RECORD)
      return buffer
        .toString('latin1', 0, readSync(fd, buffer, 0, RECORD, 0))
        .trim()
        .split(' ')
    } finally {
      closeSync(fd)
    }
  } catch {
    return []
  }
}

function mainIdentity(path: string): string {
  return String(lstatSync(path, { throwIfNoEntry: false })?.ino ?? '')
}

/** Null where there is none, or its birth is not told. */
function walIdentity(path: string): string | null {
  const wal = lstatSync(`${path}-wal`, { throwIfNoEntry: false, bigint: true })
  return wal && wal.birthtimeNs > 0n ? `${wal.ino}.${wal.birthtimeNs}` : null
}
