import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmdirSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { codeOf, FileSignalError, quote, quotePath } from './errors.js'

/** Rights of what is created here: the mode of files (folders add x where r is set), and their group. */
export interface Rights {
  readonly mode: number
  readonly group: string | number | null
  /** The project folder, which was there and is never made again; null where there is none. */
  readonly root?: string | null
  /** True where the folder itself may be a link to one, too: the store's, which releases share. */
  readonly mayBeLink?: boolean
}

/**
 * The files that a new folder gets, name → text: a store or a signal file under a document root must not be
 * served, nor committed.
 */
export const FOLDER_GUARDS = Object.freeze({
  '.htaccess': `<IfModule mod_authz_core.c>
  Require all denied
</IfModule>
<IfModule !mod_authz_core.c>
  Order deny,allow
  Deny from all
</IfModule>
`,
  '.gitignore': '*\n',
})

// O_NOFOLLOW is undefined on Windows.
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
const OPEN_FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)
const SETGID = 0o2000

/**
 * Makes a folder and those missing above it. What exists keeps its rights.
 *
 * New folders get x where `mode` has r, whatever the umask; with a group they also get setgid, so that
 * SQLite's -wal and -shm inherit it. A new folder denies web access (`.htaccess`) and ignores itself in git.
 *
 * Throws ROOT_GONE where the project itself would have to be made: a deploy has removed this release, and a new
 * folder would be a store that nobody reads.
 *
 * Throws PATH_UNSAFE where the folder itself is a link that may not be one, or no folder (folders above may be
 * links: deploy tools link them), STORE_UNWRITABLE, STORE_FULL, STORE_FAILED, and OPTION_INVALID for an unknown group.
 */
export function makeFolder(path: string, rights: Rights): void {
  // A trailing slash would make lstat follow a link.
  const folder = resolve(path)
  const gid = groupId(rights.group)
  attempt(folder, 'create the folder', () => {
    if (isFolder(folder, rights.mayBeLink ?? false)) return
    assertNotRoot(folder, rights)
    makeAbove(folder, rights, gid)
    if (!makeOne(folder, rights, gid)) return
    try {
      for (const [name, text] of Object.entries(FOLDER_GUARDS))
        createFile(join(folder, name), rights, gid, text)
    } catch (error) {
      undo(() => rmdirSync(folder))
      throw error
    }
  })
}

/**
 * Makes an empty file with exactly these rights, whatever the umask; true where it was created.
 *
 * A file that exists is neither opened nor changed: opening and closing a SQLite file drops the locks that
 * this process holds on it.
 *
 * Throws PATH_UNSAFE where a link or no regular file stands there, STORE_UNWRITABLE, STORE_FULL,
 * STORE_FAILED, and OPTION_INVALID for an unknown group.
 */
export function makeFile(path: string, rights: Rights): boolean {
  const gid = groupId(rights.group)
  return attempt(path, 'create', () => {
    try {
      createFile(path, rights, gid, '')
      return true
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error
      lookAt(path)
      return false
    }
  })
}

/**
 * What stands at a path, without following a link; null where nothing does. Opens nothing.
 *
 * Throws PATH_UNSAFE for a link or anything but a regular file, STORE_UNWRITABLE where a folder above may
 * not be entered or is none, STORE_FAILED.
 */
export function lookAt(path: string): Stats | null {
  const stats = attempt(path, 'look at', () => lstatSync(path, { throwIfNoEntry: false }))
  if (!stats) return null
  if (!stats.isFile()) throw unsafe(path, stats, 'a regular file')
  return stats
}

function isFolder(path: string, mayBeLink: boolean): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (!stats) return false
  if (mayBeLink && stats.isSymbolicLink() && statSync(path).isDirectory()) return true
  if (!stats.isDirectory()) throw unsafe(path, stats, 'a folder')
  return true
}

function makeAbove(path: string, rights: Rights, gid: number | null): void {
  const above = dirname(path)
  if (above === path || statSync(above, { throwIfNoEntry: false })) return
  assertNotRoot(above, rights)
  makeAbove(above, rights, gid)
  makeOne(above, rights, gid)
}

function assertNotRoot(path: string, { root }: Rights): void {
  if (path === root) throw new FileSignalError('ROOT_GONE', `the project folder ${quotePath(path)} is gone`)
}

/** False where another process was faster. Begins with 0700, so that no group gets in before it is the right one. */
function makeOne(path: string, rights: Rights, gid: number | null): boolean {
  try {
    mkdirSync(path, 0o700)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    if (statSync(path).isDirectory()) return false
    throw error
  }
  if (process.platform === 'win32') return true
  const mode = rights.mode | ((rights.mode & 0o444) >> 2) | (gid === null ? 0 : SETGID)
  const fd = openSync(path, OPEN_FOLDER)
  try {
    setRights(fd, mode, gid)
  } catch (error) {
    undo(() => rmdirSync(path))
    throw error
  } finally {
    closeSync(fd)
  }
  return true
}

/** Left behind with the wrong rights it would pass for good the next time, so a failure removes it. */
function createFile(path: string, rights: Rights, gid: number | null, text: string): void {
  const fd = openSync(path, CREATE, 0o600)
  try {
    if (process.platform !== 'win32') setRights(fd, rights.mode, gid)
    if (text !== '') writeSync(fd, text)
  } catch (error) {
    undo(() => unlinkSync(path))
    throw error
  } finally {
    closeSync(fd)
  }
}

/** The group first: changing it drops setgid. A setgid bit that the folder above handed down is kept. */
function setRights(fd: number, mode: number, gid: number | null): void {
  const stats = fstatSync(fd)
  if (gid !== null && stats.gid !== gid) {
    try {
      fchownSync(fd, stats.uid, gid)
    } catch (cause) {
      throw new FileSignalError('STORE_UNWRITABLE', `this user may not give files to group ${gid}`, {
        cause,
        remedy:
          'run as a member of that group (membership counts from the next login), or leave out { group }',
      })
    }
  }
  const wanted = mode | (stats.isDirectory() ? stats.mode & SETGID : 0)
  if ((stats.mode & 0o7777) !== wanted || gid !== null) fchmodSync(fd, wanted)
}

function groupId(group: string | number | null): number | null {
  if (group === null || typeof group === 'number') return group
  const id = listedGroup(group) ?? (/^\d+$/.test(group) ? Number(group) : null)
  if (id !== null) return id
  throw new FileSignalError('OPTION_INVALID', `group ${quote(group)} is not in /etc/group`, {
    remedy: 'pass the name of a group that exists, or its number',
  })
}

function listedGroup(name: string): number | null {
  let list = ''
  try {
    list = readFileSync('/etc/group', 'utf8')
  } catch {
    return null
  }
  for (const line of list.split('\n')) {
    const [listed, , id] = line.split(':')
    if (listed === name && id !== undefined) return Number(id)
  }
  return null
}

function unsafe(path: string, stats: Stats, wanted: string): FileSignalError {
  const found = stats.isSymbolicLink()
    ? 'a symbolic link'
    : stats.isDirectory()
      ? 'a folder'
      : 'something else'
  return new FileSignalError('PATH_UNSAFE', `"${path}" is ${found}, not ${wanted}`)
}

function attempt<T>(path: string, verb: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (cause instanceof FileSignalError) throw cause
    const what = `cannot ${verb} "${path}" (${codeOf(cause) || cause})`
    switch (codeOf(cause)) {
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        throw new FileSignalError('STORE_UNWRITABLE', what, { cause })
      case 'ENOTDIR':
      case 'ENOENT':
      case 'EEXIST':
      case 'ELOOP':
        throw new FileSignalError('STORE_UNWRITABLE', what, {
          cause,
          remedy: 'something above it is no folder or a broken link: move that out of the way',
        })
      case 'ENOSPC':
      case 'EDQUOT':
        throw new FileSignalError('STORE_FULL', what, { cause })
      default:
        throw new FileSignalError('STORE_FAILED', what, { cause })
    }
  }
}

function undo(removal: () => void): void {
  try {
    removal()
  } catch {
    // The first failure is the one to tell.
  }
}
