import { constants as access, accessSync, readFileSync, type Stats, statfsSync, statSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, resolve } from 'node:path'
import { attempt } from './attempt.js'
import { codeOf, FileSignalError, quotePath } from './errors.js'
import { limitOf, limitOfOpenFiles } from './limits.js'
import { showUser } from './users.js'

/** Why the system refused something, by its errno, and what helps. */
export interface Obstacle {
  readonly code: 'STORE_FULL' | 'STORE_LIMITS' | 'STORE_UNWRITABLE' | 'STORE_FAILED'
  /** The end of a sentence; names the limit, the mount, the owner, and the command that changes it. */
  readonly why: string
  /** What helps where the catalogue's remedy does not; null for that one. */
  readonly remedy: string | null
}

const NETWORK = 'mount it again, and restart the programs that have files open there'

/**
 * What is behind an errno that came from `path` or its folder: looks at the file system, the limits of this process, the
 * mounts and the owners, after the fact. Null for an errno of which nothing more is known. Never throws.
 */
export function obstacleOf(errno: string, path: string): Obstacle | null {
  return attempt(() => find(errno, resolve(path)))
}

/** The same for what was caught: a system error, or ours with one behind it. */
export function obstacleBehind(error: unknown, path: string): Obstacle | null {
  return obstacleOf(errnoOf(error), path)
}

/**
 * The name of the errno of a system error, or of the one behind one of ours; '' for none. Some have no code in Node, which
 * says `UNKNOWN` or `Unknown system error -122` of a spent quota.
 */
export function errnoOf(thrown: unknown): string {
  const error = thrown instanceof FileSignalError ? thrown.cause : thrown
  const code = codeOf(error)
  if (!/^unknown/i.test(code)) return code
  const { errno } = error as { errno?: number }
  const known = Object.entries(constants.errno).find(([, number]) => number === -Number(errno))
  return known?.[0] ?? code
}

function find(errno: string, path: string): Obstacle | null {
  switch (errno) {
    case 'ENOSPC':
      return { code: 'STORE_FULL', why: fullness(path), remedy: null }
    case 'EDQUOT':
      return {
        code: 'STORE_FULL',
        why: `the disk quota of ${thisUser()} is spent; quota -s or the panel of the host shows it`,
        remedy: null,
      }
    case 'EMFILE':
      return {
        code: 'STORE_LIMITS',
        why: `this process has as many files open as it may, ${limitOfOpenFiles() ?? 'which'} is its limit (ulimit -n)`,
        remedy: `raise "Max open files" (ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker), or find what leaves files open: ls -l /proc/${process.pid}/fd`,
      }
    case 'ENFILE':
      return {
        code: 'STORE_LIMITS',
        why: 'this machine has as many files open as it may',
        remedy: 'raise the limit: sysctl fs.file-max',
      }
    case 'EFBIG':
      return {
        code: 'STORE_LIMITS',
        why: `a file would become larger than this process may make one, ${limitOf('Max file size') ?? 'which'} bytes (ulimit -f)`,
        remedy: 'raise "Max file size" (ulimit -f unlimited, LimitFSIZE= of systemd)',
      }
    case 'ENOMEM':
      return {
        code: 'STORE_LIMITS',
        why: 'there is no memory left for this process',
        remedy: 'raise its limit (ulimit -v, MemoryMax= of systemd), or give the machine more',
      }
    case 'EROFS':
      return readOnly(path)
    case 'EACCES':
    case 'EPERM':
      return forbidden(path)
    case 'ENOENT':
    case 'ENOTDIR':
      return missing(dirname(path))
    case 'EIO':
      return {
        code: 'STORE_FAILED',
        why: 'the disk failed (EIO)',
        remedy: 'look at the disk (dmesg, smartctl -a), and copy the store to another one',
      }
    case 'ESTALE':
    case 'ENOTCONN':
    case 'ETIMEDOUT':
    case 'EHOSTDOWN':
      return {
        code: 'STORE_FAILED',
        why: `the network disk does not know or answer (${errno})`,
        remedy: NETWORK,
      }
    case 'ENOLCK':
      return {
        code: 'STORE_FAILED',
        why: 'files cannot be locked on this disk (ENOLCK)',
        remedy: 'use a local disk; on NFS, start its lock daemon (rpc.statd), or mount it with nolock',
      }
    default:
      return null
  }
}

function thisUser(): string {
  return showUser(process.geteuid?.() ?? -1)
}

function fullness(path: string): string {
  const { bavail = 0, ffree = 1, files = 0 } = attempt(() => statfsSync(existing(path))) ?? {}
  return files > 0 && ffree === 0 && bavail > 0 ? 'the disk has no inodes left' : 'the disk is full'
}

/** The nearest thing that is there: the path, or a folder above it. */
function existing(path: string): string {
  for (let at = path; ; at = dirname(at)) if (attempt(() => statSync(at)) || at === dirname(at)) return at
}

function missing(folder: string): Obstacle | null {
  const stats = attempt(() => statSync(folder))
  if (stats?.isDirectory()) return null
  return {
    code: 'STORE_UNWRITABLE',
    why: `the folder ${quotePath(folder)} is ${stats ? 'no folder' : 'missing'}`,
    remedy: 'put it back, or point FILE_SIGNAL_ROOT and FILE_SIGNAL_DATABASE at what is there',
  }
}

function readOnly(path: string): Obstacle {
  const mount = mountOf(existing(path))
  const name = mount === null ? 'its file system' : quotePath(mount)
  return {
    code: 'STORE_UNWRITABLE',
    why: `${name} is mounted read-only`,
    remedy: `mount it writable (mount -o remount,rw ${mount ?? ''}; in a container, give it a volume there), or move what file-signal keeps to a disk that is. A disk that became so by itself is failing: see dmesg`,
  }
}

/** The mount that a path is on: the longest of those above it; the last of those that lie on each other. */
function mountOf(path: string): string | null {
  const list = attempt(() => readFileSync('/proc/self/mountinfo', 'utf8'))
  let found: string | null = null
  for (const line of list?.split('\n') ?? []) {
    // Blanks in a path are written as \040.
    const point = line
      .split(' ')[4]
      ?.replaceAll(/\\(\d{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))
    if (point === undefined || !(path === point || path.startsWith(point === '/' ? '/' : `${point}/`)))
      continue
    if (point.length >= (found?.length ?? 0)) found = point
  }
  return found
}

function forbidden(path: string): Obstacle {
  const code = 'STORE_UNWRITABLE'
  const closed = closedOn(path)
  if (closed === null) {
    return {
      code,
      why: 'owner and rights allow it, and the system does not',
      remedy:
        'look for an immutable file (lsattr, chattr -i), for SELinux or AppArmor (dmesg), and for root_squash on NFS',
    }
  }
  const { at, stats, isAbove } = closed
  const uid = process.geteuid?.()
  const isOwn = stats.uid === uid
  const rights = (stats.mode & 0o777).toString(8).padStart(3, '0')
  const whose = `${quotePath(at)} has the rights ${rights} and belongs to ${isOwn ? 'this user' : `${showUser(stats.uid)}, this process runs as ${thisUser()}`}`
  return { code, why: `${whose}; ${commandFor(at)}`, remedy: null }

  function commandFor(place: string): string {
    if (isOwn) return `chmod u+rwX ${shown(place)} gives this user its rights`
    if (isAbove) return `chmod o+x ${shown(place)} lets all users through`
    const all = stats.isDirectory() ? `-R ${uid}: ${shown(place)}` : `${uid}: ${shown(place)}*`
    return `sudo chown ${all} makes it this user’s`
  }
}

interface Closed {
  readonly at: string
  readonly stats: Stats
  /** True for a folder further up, where nothing is to be written. */
  readonly isAbove: boolean
}

/** The first thing on the way to a file that this process may not enter, write or read; null where it may all. */
function closedOn(path: string): Closed | null {
  const above: string[] = []
  for (let at = dirname(path); at !== dirname(at); at = dirname(at)) above.unshift(at)
  const last = above.at(-1)
  for (const at of above) {
    const stats = attempt(() => statSync(at))
    if (!stats) {
      // What is missing was to be made in the folder above it.
      const parent = dirname(at)
      const { W_OK, X_OK } = access
      return isClosed(parent, W_OK | X_OK) ? { at: parent, stats: statSync(parent), isAbove: false } : null
    }
    const isLast = at === last
    if (isClosed(at, isLast ? access.W_OK | access.X_OK : access.X_OK)) {
      return { at, stats, isAbove: !isLast }
    }
  }
  for (const at of [path, `${path}-wal`, `${path}-shm`, `${path}-journal`]) {
    const stats = attempt(() => statSync(at))
    if (stats && isClosed(at, access.R_OK | access.W_OK)) return { at, stats, isAbove: false }
  }
  return null
}

function isClosed(path: string, wanted: number): boolean {
  return attempt(() => accessSync(path, wanted) ?? true) === null
}

/** A path as a shell takes it. */
function shown(path: string): string {
  return /^[\w./@:+-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
