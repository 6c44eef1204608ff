import { codeOf, FileSignalError, quotePath } from '../../errors.js'

/** True where waiting and trying again is the answer. */
export function isBusy(error: unknown): boolean {
  return /^(SQLITE_(BUSY|LOCKED|PROTOCOL)|ELOCKED)/.test(codeOf(error))
}

/** True where the file itself is broken. */
export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error))
}

/** Turns a driver's or the system's error into ours. */
export function toFault(error: unknown, path: string): FileSignalError {
  if (error instanceof FileSignalError) return error
  const code = codeOf(error)
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
