import { codeOf, type ErrorCode, FileSignalError, messageOf } from '../errors.js'

/** Something that may go wrong at every event, and is told once. */
export interface ToldOnce {
  /** Reports the trouble, unless it was reported since the last `over`. */
  tell(what: string, cause: unknown, remedy?: string): void
  /** It works again: the next trouble is a new one. */
  over(): void
}

/** Where trouble is told, and its end. */
export interface ToldSite {
  readonly report: (error: unknown) => void
  readonly recovered?: ((code: ErrorCode) => void) | undefined
}

/** Reports one kind of trouble under `code`; `what` gets the cause's code behind it in the message. */
export function toldOnce(code: ErrorCode, { report, recovered }: ToldSite): ToldOnce {
  let told = false
  return {
    tell: (what, cause, remedy = remedyOf(cause)) => {
      if (told) return
      told = true
      const found = `${what} (${reasonOf(cause)})`
      report(new FileSignalError(code, found, remedy === undefined ? { cause } : { cause, remedy }))
    },
    over: () => {
      if (told) recovered?.(code)
      told = false
    },
  }
}

function reasonOf(cause: unknown): string {
  return codeOf(cause) || messageOf(cause)
}

/** A link in the way or an unknown root has a remedy of its own. The store's remedies speak of rows, not of hints. */
function remedyOf(cause: unknown): string | undefined {
  return cause instanceof FileSignalError && !cause.code.startsWith('STORE_') ? cause.remedy : undefined
}
