import { lstatSync, readFileSync, type Stats, statSync } from 'node:fs'
import { FileSignalError } from '../../index.js'
import { attempt, refusal } from './refusal.js'

/** A regular file as it was found. */
export interface Snapshot {
  readonly path: string
  readonly bytes: Buffer
  /** Its rights alone, as chmod takes them. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Far more than a file has that people write by hand. */
const LARGEST = 4 * 1024 * 1024

/**
 * Reads a file that may be changed; null where nothing stands.
 *
 * Throws PATH_UNSAFE for a link and for anything but a file, SETUP_FAILED where it cannot be read or is
 * larger than 4 MiB.
 */
export function readSnapshot(path: string): Snapshot | null {
  const stats = lookAtFile(path)
  if (!stats) return null
  if (stats.size > LARGEST)
    throw refusal(path, `has ${stats.size} bytes, which is no file to be changed here`)
  const bytes = attempt(path, 'read', () => readFileSync(path))
  return { path, bytes, mode: stats.mode & 0o7777, uid: stats.uid, gid: stats.gid }
}

/** What a file holds, one character per byte. Throws SETUP_FAILED where that is no text, as in UTF-16. */
export function textOf(snapshot: Snapshot): string {
  const nul = snapshot.bytes.indexOf(0)
  if (nul === -1) return snapshot.bytes.toString('latin1')
  throw refusal(snapshot.path, `is not plain text (byte ${nul + 1} is 0)`, 'save it as UTF-8')
}

/** True where a folder stands, false where nothing does. Throws PATH_UNSAFE for anything else, and for an unwanted link. */
export function isFolder(path: string, mayBeLink: boolean): boolean {
  const stats = lookAt(path)
  if (!stats) return false
  if (mayBeLink && stats.isSymbolicLink()) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return true
    throw refusal(path, 'is a link to no folder', 'repair or remove the link, and run the command again')
  }
  if (!stats.isDirectory()) throw unsafe(path, stats, 'a folder')
  return true
}

/** A file, links not followed; null where nothing stands. Throws PATH_UNSAFE for anything else, SETUP_FAILED as `lookAt`. */
export function lookAtFile(path: string): Stats | null {
  const stats = lookAt(path)
  if (stats && !stats.isFile()) throw unsafe(path, stats, 'a file')
  return stats
}

/** What stands at a path, links not followed. Throws SETUP_FAILED where a folder above may not be entered. */
export function lookAt(path: string): Stats | null {
  return attempt(path, 'look at', () => lstatSync(path, { throwIfNoEntry: false }) ?? null)
}

function unsafe(path: string, stats: Stats, wanted: string): FileSignalError {
  const found = stats.isSymbolicLink()
    ? 'a symbolic link'
    : stats.isDirectory()
      ? 'a folder'
      : 'something else'
  return new FileSignalError('PATH_UNSAFE', `"${path}" is ${found}, not ${wanted}`, {
    remedy: `put ${wanted} in its place, and run the command again`,
  })
}
