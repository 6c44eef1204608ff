import { FileSignalError } from '../../index.js'

/** A file or folder that init and uninstall cannot work with. The remedy defaults to the catalogue's. */
export function refusal(path: string, what: string, remedy?: string, cause?: unknown): FileSignalError {
  return new FileSignalError('SETUP_FAILED', `"${path}" ${what}`, {
    ...(remedy === undefined ? {} : { remedy }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Runs a call to the file system; an error of the system becomes SETUP_FAILED with the path and its code. */
export function attempt<T>(path: string, verb: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof FileSignalError) throw cause
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message
    const what = `cannot ${verb} "${path}" (${code})`
    throw new FileSignalError('SETUP_FAILED', what, { cause, ...remedyFor(code) })
  }
}

function remedyFor(code: string): { remedy?: string } {
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return { remedy: 'run as the user who owns the project, or give this user write permission' }
    case 'EROFS':
      return { remedy: 'the disk is mounted read-only: run this where the project may be changed' }
    case 'ENOSPC':
    case 'EDQUOT':
      return { remedy: 'free some space, and run the command again: it goes on where it stopped' }
    case 'ENOTDIR':
    case 'EEXIST':
      return { remedy: 'a file stands where a folder is needed: move it out of the way' }
    default:
      return {}
  }
}
