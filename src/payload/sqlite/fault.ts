import { codeOf, FileSignalError, messageOf, quotePath } from '../../errors.js'
import { networkOf } from '../../network-disk.js'
import { errnoOf, type Obstacle, obstacleOf } from '../../obstacle.js'
import { errnoOfOpening, errnoOfWriting } from './probe.js'

/** Of SQLite's primary result codes those that mean something here; https://sqlite.org/rescode.html */
const NAMES: Readonly<Record<number, string>> = Object.freeze({
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  23: 'SQLITE_AUTH',
  26: 'SQLITE_NOTADB',
})
/** What the extended codes of SQLITE_IOERR that mean something here have behind that. */
const IO: Readonly<Record<number, string>> = Object.freeze({
  1: '_READ',
  2: '_SHORT_READ',
  8: '_UNLOCK',
  9: '_RDLOCK',
  12: '_NOMEM',
  14: '_CHECKRESERVEDLOCK',
  15: '_LOCK',
  18: '_SHMOPEN',
  19: '_SHMSIZE',
  20: '_SHMLOCK',
  21: '_SHMMAP',
  32: '_DATA',
  33: '_CORRUPTFS',
})

/** True where waiting and trying again is the answer. */
export function isBusy(error: unknown): boolean {
  return /^(SQLITE_(BUSY|LOCKED|PROTOCOL)|ELOCKED)/.test(faultOf(error))
}

/** True where the file itself is broken. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(faultOf(error))
}

/** True where a table, or a column, that our statements name is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof Error && /^no such (table|column)/.test(error.message)
}

/** True for what a connection may go on to say after its cause is gone: rights, and files that it could not read. */
export function isStuck(error: unknown): boolean {
  return /^SQLITE_(READONLY|CANTOPEN|IOERR|PERM)/.test(faultOf(error))
}

/** True where SQLite could not open a file of the store. */
export function isUnopened(error: unknown): boolean {
  return faultOf(error).startsWith('SQLITE_CANTOPEN')
}

/** True where a -shm describes another -wal than the one at the path. */
export function isTorn(error: unknown): boolean {
  return faultOf(error) === 'SQLITE_IOERR_SHORT_READ'
}

/** True where the -shm file, by which all who use a store in WAL mode share memory, cannot be used on this disk. */
export function isUnshared(error: unknown, path: string): boolean {
  return faultOf(error).startsWith('SQLITE_IOERR_SHM') && errnoBehind(error, path) === ''
}

/**
 * Turns a driver's or the system's error into ours, with what is behind it: the drivers tell SQLite's code alone, which
 * is one and the same for a spent quota and a broken disk, for rights, limits and mounts.
 */
export function toFault(error: unknown, path: string): FileSignalError {
  if (error instanceof FileSignalError) return error
  const code = faultOf(error)
  const said = `${quotePath(path)}: ${messageOf(error)}`
  if (isBusy(error)) return new FileSignalError('STORE_BUSY', said, { cause: error })
  if (code.startsWith('SQLITE_NOTADB')) return new FileSignalError('STORE_FOREIGN', said, { cause: error })
  const obstacle = obstacleOf(errnoBehind(error, path), path)
  if (obstacle) return toOurs(obstacle, said, error)
  if (code.startsWith('SQLITE_IOERR_SHM')) {
    return new FileSignalError('STORE_FAILED', `${said} (${UNSHARED})`, {
      cause: error,
      remedy: 'move the store to a local disk that can',
    })
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)/.test(code)) {
    return new FileSignalError('STORE_UNWRITABLE', said, { cause: error })
  }
  return new FileSignalError('STORE_FAILED', said, { cause: error })
}

const UNSHARED = 'its -shm file cannot be mapped as shared memory on this disk'

/** Why a store is kept with a rollback journal, as the end of a sentence that begins with its path. */
export function weaknessOf(path: string): string {
  const kind = networkOf(path)
  return `${kind ? `is on a network disk (${kind})` : `is on a disk without shared memory: ${UNSHARED}`}, so it is kept with a rollback journal`
}

function toOurs({ code, why, remedy }: Obstacle, said: string, cause: unknown): FileSignalError {
  return new FileSignalError(code, `${said} (${why})`, remedy === null ? { cause } : { cause, remedy })
}

/** What was found behind an error while its files were still open; asked later, the system may answer otherwise. */
const found = new WeakMap<object, string>()

/** Looks for what is behind an error, for whoever asks later. Never throws. */
export function noteCause(error: unknown, path: string): void {
  if (!isBusy(error) && !isDamage(error)) errnoBehind(error, path)
}

/** The errno behind an error of SQLite's or the system's, '' where it cannot be told. */
function errnoBehind(error: unknown, path: string): string {
  const known = found.get(Object(error))
  if (known !== undefined) return known
  const errno = seek(error, path)
  found.set(Object(error), errno)
  return errno
}

function seek(error: unknown, path: string): string {
  const code = faultOf(error)
  if (!code.startsWith('SQLITE_')) return errnoOf(error)
  if (code.startsWith('SQLITE_FULL')) return 'ENOSPC'
  if (/^SQLITE_(IOERR_)?NOMEM/.test(code)) return 'ENOMEM'
  if (/^SQLITE_IOERR_(UNLOCK|RDLOCK|LOCK|CHECKRESERVEDLOCK|SHMLOCK)/.test(code)) return 'ENOLCK'
  if (/^SQLITE_(READONLY|CANTOPEN|PERM)/.test(code)) return errnoOfOpening(path)
  if (code.startsWith('SQLITE_IOERR_SHM')) return errnoOfWriting(path)
  if (/^SQLITE_IOERR_(READ|SHORT_READ|DATA|CORRUPTFS)/.test(code)) return errnoOfOpening(path) || 'EIO'
  if (code.startsWith('SQLITE_IOERR')) return errnoOfWriting(path) || 'EIO'
  return ''
}

/** better-sqlite3 names SQLite's result code in `code`, node:sqlite gives its extended number in `errcode`. */
function faultOf(error: unknown): string {
  const code = codeOf(error)
  if (code !== 'ERR_SQLITE_ERROR') return code
  const { errcode } = error as { errcode: number }
  const name = NAMES[errcode & 0xff] ?? 'SQLITE_ERROR'
  return name === 'SQLITE_IOERR' ? `${name}${IO[errcode >> 8] ?? ''}` : name
}
