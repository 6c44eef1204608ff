import { lstatSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { performance } from 'node:perf_hooks'
import { FileSignalError } from '../../errors.js'

/**
 * Which files stand at the store's path: those that are open (`here`), another main file or none (`moved`), or the
 * open main file beside another -wal or -shm, or without (`split`). SQLite itself never removes or replaces these two
 * while a connection is open. A connection that is not `here` goes on committing, without an error, to files that
 * nobody else reads.
 */
export type Place = 'here' | 'moved' | 'split'

/** The files of one open connection. */
export interface StoreFiles {
  /** Device and inode of the main file. */
  readonly inode: string
  /** Inodes of the side files; 0 with a rollback journal, which has none that last. */
  readonly wal: number
  readonly shm: number
  /** Compares every file. Costs some 15 µs, opens nothing. Throws PATH_UNSAFE, or a system error. */
  look(): Place
  /** As `look`, for a quarter of its cost: files come and go only together with their folder's mtime. */
  glance(): Place
  /** Size of the main file in bytes, where a look found it smaller than before, else null. Tells it once. */
  shrunkTo(): number | null
  /** True where a look some moments ago found all in place, and nothing changed in the folder just before it. */
  isFresh(): boolean
}

/** A folder, as it was when its files were compared. */
interface Folder {
  readonly dev: number
  readonly ino: number
  readonly mtimeMs: number
}

/** Milliseconds for which a look is good enough to begin a commit. */
const FRESH = 10
/** Milliseconds after which the files themselves are compared again. */
const TRUST = 100
/**
 * A second change within one tick of the file system's clock leaves the mtime as it is, so only an mtime older than
 * a tick tells: milliseconds on most, up to 2 s where mtimes are whole seconds.
 */
const TICK = 50
const COARSE_TICK = 3000

/** `hasSideFiles`: in WAL mode, once the store was read. Throws `Split` where a side file is missing already. */
export function createFiles(path: string, inode: string, hasSideFiles: boolean): StoreFiles {
  const wal = hasSideFiles ? inodeNumber(`${path}-wal`) : 0
  const shm = hasSideFiles ? inodeNumber(`${path}-shm`) : 0
  let settled: Folder | null = null
  let lookedAt = 0
  let glancedAt = 0
  let size = fileAt(path)?.size ?? 0
  let shrunk: number | null = null

  function look(): Place {
    // Before the files: what changes while they are compared is seen the next time.
    const folder = statSync(dirname(path), { throwIfNoEntry: false })
    const main = fileAt(path)
    if (!folder || !main || identityOf(main) !== inode) return 'moved'
    if (hasSideFiles && (inodeNumber(`${path}-wal`) !== wal || inodeNumber(`${path}-shm`) !== shm)) {
      return 'split'
    }
    if (main.size < size) shrunk = main.size
    size = main.size
    settled = isSettled(folder.mtimeMs) ? folder : null
    lookedAt = glancedAt = performance.now()
    return 'here'
  }

  function glance(): Place {
    if (settled === null || performance.now() - lookedAt > TRUST) return look()
    const folder = statSync(dirname(path), { throwIfNoEntry: false })
    if (folder?.mtimeMs !== settled.mtimeMs || folder.ino !== settled.ino || folder.dev !== settled.dev) {
      return look()
    }
    glancedAt = performance.now()
    return 'here'
  }

  return {
    inode,
    wal,
    shm,
    look,
    glance,
    shrunkTo: () => {
      const told = shrunk
      shrunk = null
      return told
    },
    isFresh: () => settled !== null && performance.now() - glancedAt < FRESH,
  }
}

/** Device and inode of the file at a path, '' where there is none. Throws PATH_UNSAFE. */
export function inodeOf(path: string): string {
  const file = fileAt(path)
  return file ? identityOf(file) : ''
}

function identityOf({ dev, ino }: Stats): string {
  return `${dev}:${ino}`
}

function inodeNumber(path: string): number {
  return fileAt(path)?.ino ?? 0
}

function fileAt(path: string): Stats | undefined {
  const file = lstatSync(path, { throwIfNoEntry: false })
  if (file && !file.isFile()) {
    throw new FileSignalError('PATH_UNSAFE', `"${path}" is not a regular file`)
  }
  return file
}

function isSettled(mtime: number): boolean {
  const age = Date.now() - mtime
  return age > (mtime % 1000 === 0 ? COARSE_TICK : TICK)
}
