import { type ErrorCode, FileSignalError } from '../index.js'

/** What scripts may rely on; shown by --help. */
export const EXIT_HELP = `
Exit codes:
  0  done
  1  the store or the system failed
  2  bad usage or bad input; nothing of it was stored
  3  STORE_BUSY: another program held the store for too long, try again
  4  CURSOR_LOST: what comes after the id of --after is not known any more
`

const EXIT_CODES: Partial<Record<ErrorCode, number>> = Object.freeze({
  KEY_INVALID: 2,
  EVENT_INVALID: 2,
  DEDUPE_INVALID: 2,
  PAYLOAD_INVALID: 2,
  PAYLOAD_TOO_LARGE: 2,
  BATCH_INVALID: 2,
  OPTION_INVALID: 2,
  STORE_BUSY: 3,
  CURSOR_LOST: 4,
})

/** Bad usage of the command line. */
export function usageError(what: string, remedy = 'run: file-signal --help'): FileSignalError {
  return new FileSignalError('OPTION_INVALID', what, { remedy })
}

/** Says on stderr, in one line, what went wrong, and sets the exit code. */
export function fail(error: unknown, json: boolean): void {
  process.exitCode = error instanceof FileSignalError ? (EXIT_CODES[error.code] ?? 1) : 1
  print('error', error, json)
}

/** Says on stderr what the library reports and does not throw. */
export function warn(error: FileSignalError, json: boolean): void {
  print('warning', error, json)
}

function print(kind: 'error' | 'warning', error: unknown, json: boolean): void {
  const { code, message, remedy } = describe(error)
  const line = json ? JSON.stringify({ [kind]: { code, message, remedy } }) : message
  process.stderr.write(`${line.replaceAll(/[\r\n]+\s*/g, ' ')}\n`)
}

/** Errors of the system keep the code that Node gave them: EISDIR, EACCES. */
function describe(error: unknown): { code: string; message: string; remedy: string | null } {
  if (error instanceof FileSignalError) return error
  if (!(error instanceof Error)) return { code: 'Error', message: String(error), remedy: null }
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  const { message } = error
  return { code, message: message.startsWith(code) ? message : `${code}: ${message}`, remedy: null }
}
