import { FileSignalError, messageOf, quote } from '../../errors.js'

/** What goes wrong with one source, over all of its runs; `path` is that of the client for whom it was run. */
export interface SourceFaults {
  /** It threw, or gave what cannot be sent: the first of a row is reported, or a lost database would be at every turn. */
  failed(what: string, path: string, cause: unknown): void
  /** A callback took longer than `limit` milliseconds. */
  hung(limit: number, path: string): void
  /** An iterator was asked for again; reported once. */
  used(path: string): void
  /** It gave something that can be sent, so the next failure is news. */
  worked(): void
}

/** Reports as SOURCE_FAILED, SOURCE_TIMEOUT and SOURCE_USED. `name` is the source's own, '' where it has none. */
export function createSourceFaults(name: string, report: (error: FileSignalError) => void): SourceFaults {
  const at = (path: string) => `${name ? `the source ${quote(name)}` : 'a source'} at ${quote(path, 200)}`
  let lasting = false
  let told = false
  return {
    failed: (what, path, cause) => {
      if (lasting) return
      lasting = true
      report(new FileSignalError('SOURCE_FAILED', `${at(path)} ${what} (${messageOf(cause)})`, { cause }))
    },
    hung: (limit, path) => {
      report(new FileSignalError('SOURCE_TIMEOUT', `${at(path)} has not answered within ${limit} ms`))
    },
    used: (path) => {
      if (told) return
      told = true
      report(new FileSignalError('SOURCE_USED', `${at(path)} can be read once, and was asked for again`))
    },
    worked: () => {
      lasting = false
    },
  }
}
