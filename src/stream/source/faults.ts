import { FileSignalError, quote } from '../../errors.js'

/** What goes wrong with one source, over all of its runs. */
export interface SourceFaults {
  /** It threw, or gave what cannot be sent: the first of a row is reported, or a lost database would be at every turn. */
  failed(what: string, cause: unknown): void
  /** A callback took longer than `limit` milliseconds. */
  hung(limit: number): void
  /** An iterator was asked for again; reported once. */
  used(): void
  /** It gave something that can be sent, so the next failure is news. */
  worked(): void
}

/** Reports as SOURCE_FAILED, SOURCE_TIMEOUT and SOURCE_USED. */
export function createSourceFaults(report: (error: FileSignalError) => void): SourceFaults {
  let lasting = false
  let told = false
  return {
    failed: (what, cause) => {
      if (lasting) return
      lasting = true
      const why = cause instanceof Error ? cause.message : quote(cause)
      report(new FileSignalError('SOURCE_FAILED', `a source ${what} (${why})`, { cause }))
    },
    hung: (limit) => {
      report(new FileSignalError('SOURCE_TIMEOUT', `a source has not answered within ${limit} ms`))
    },
    used: () => {
      if (told) return
      told = true
      report(new FileSignalError('SOURCE_USED', 'a source that can be read once was asked for again'))
    },
    worked: () => {
      lasting = false
    },
  }
}
