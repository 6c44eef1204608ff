import { codeOf, FileSignalError, quotePath } from '../../errors.js'

/** Of SQLite's primary result codes those that mean something here; https://sqlite.org/rescode.html */
const NAMES: Readonly<Record<number, string>> = Object.freeze({
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  23: 'SQLITE_AUTH',
  26: 'SQLITE_NOTADB',
})
/** Extended codes of SQLITE_IOERR, from SHMOPEN to SHMMAP. */
const SHM = Object.freeze([18, 19, 20, 21])
const SHORT_READ = 2

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

/** True where a -shm describes another -wal than the one at the path. */
export function isTorn(error: unknown): boolean {
  return faultOf(error) === 'SQLITE_IOERR_SHORT_READ'
}

/** Turns a driver's or the system's error into ours. */
export function toFault(error: unknown, path: string): FileSignalError {
  if (error instanceof FileSignalError) return error
  const code = faultOf(error)
  const what = `${quotePath(path)}: ${error instanceof Error ? error.message : String(error)}`
  if (isBusy(error)) return new FileSignalError('STORE_BUSY', what, { cause: error })
  // A full disk shows as FULL in a write, and as an I/O error where the -shm file cannot grow.
  if (/^(SQLITE_FULL|SQLITE_IOERR_SHM|ENOSPC|EDQUOT)/.test(code)) {
    return new FileSignalError('STORE_FULL', what, { cause: error })
  }
  if (/^(SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|EACCES|EPERM|EROFS)/.test(code)) {
    return new FileSignalError('STORE_UNWRITABLE', what, { cause: error })
  }
  if (code.startsWith('SQLITE_NOTADB')) return new FileSignalError('STORE_FOREIGN', what, { cause: error })
  return new FileSignalError('STORE_FAILED', what, { cause: error })
}

/** better-sqlite3 names SQLite's result code in `code`, node:sqlite gives its extended number in `errcode`. */
function faultOf(error: unknown): string {
  const code = codeOf(error)
  if (code !== 'ERR_SQLITE_ERROR') return code
  const { errcode } = error as { errcode: number }
  const name = NAMES[errcode & 0xff] ?? 'SQLITE_ERROR'
  if (name !== 'SQLITE_IOERR') return name
  if (errcode >> 8 === SHORT_READ) return 'SQLITE_IOERR_SHORT_READ'
  return SHM.includes(errcode >> 8) ? 'SQLITE_IOERR_SHM' : name
}
