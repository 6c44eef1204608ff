import { attempt } from '../attempt.js'
import { codeOf, type ErrorCode, FileSignalError, messageOf } from '../errors.js'
import { errnoOf, type Obstacle, obstacleBehind } from '../obstacle.js'

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
  /** Where it is with a file, that file: what is behind an errno is looked for there. */
  readonly signalFile?: () => string
}

/** Reports one kind of trouble under `code`; `what` gets the cause's code, and what is behind it, in the message. */
export function toldOnce(code: ErrorCode, { report, recovered, signalFile }: ToldSite): ToldOnce {
  let told = false

  function faultOf(what: string, cause: unknown, remedy: string | undefined): FileSignalError {
    const obstacle = signalFile ? obstacleAt(cause, signalFile) : null
    const better = remedy ?? obstacle?.remedy ?? remedyOf(cause)
    const why = obstacle ? `${errnoOf(cause)}: ${obstacle.why}` : codeOf(cause) || messageOf(cause)
    return new FileSignalError(
      code,
      `${what} (${why})`,
      better === undefined ? { cause } : { cause, remedy: better },
    )
  }

  return {
    tell: (what, cause, remedy) => {
      if (told) return
      told = true
      report(faultOf(what, cause, remedy))
    },
    over: () => {
      if (told) recovered?.(code)
      told = false
    },
  }
}

function obstacleAt(cause: unknown, signalFile: () => string): Obstacle | null {
  return attempt(() => obstacleBehind(cause, signalFile()))
}

/** A link in the way or an unknown root has a remedy of its own. The store's remedies speak of rows, not of hints. */
function remedyOf(cause: unknown): string | undefined {
  return cause instanceof FileSignalError && !cause.code.startsWith('STORE_') ? cause.remedy : undefined
}
