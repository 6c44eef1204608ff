import { type ErrorCode, FileSignalError } from '../../errors.js'

/** What goes wrong with the hooks of one instance, on its way to `onError`. */
export interface HookFaults {
  /** How to report failures of `hook`, a function as it was given; `name` is that of its option. */
  of(hook: object, name: string): (error: FileSignalError) => void
  /** Reports what is still to be told. */
  close(): void
}

/** Failures of one function, of one kind, since the last turn. */
interface Count {
  readonly name: string
  told: number
  held: number
  last: FileSignalError
}

/** Failures that are reported one by one, of one function and kind, in a turn. */
const SINGLY = 10
/** Milliseconds of a turn. */
const TURN = 1000

/**
 * Reports the first failures one by one, and the rest of each second as one: where a database is away, a hundred events
 * a second to a thousand streams fail a hundred thousand times.
 */
export function createHookFaults(report: (error: FileSignalError) => void): HookFaults {
  const counts = new Map<object, Map<ErrorCode, Count>>()
  let timer: NodeJS.Timeout | null = null

  function count(hook: object, name: string, error: FileSignalError): void {
    const own = counts.get(hook) ?? new Map<ErrorCode, Count>()
    const kind = own.get(error.code) ?? { name, told: 0, held: 0, last: error }
    counts.set(hook, own.set(error.code, kind))
    timer ??= setInterval(turn, TURN).unref()
    kind.last = error
    if (kind.told < SINGLY) {
      kind.told += 1
      report(error)
    } else kind.held += 1
  }

  function turn(): void {
    const before = [...counts]
    counts.clear()
    for (const [, kinds] of before) for (const kind of kinds.values()) sum(kind)
    if (counts.size === 0) stop()
  }

  function sum({ name, held, last }: Count): void {
    if (held === 0) return
    const more = held === 1 ? 'once more' : `${held.toLocaleString('en')} more times`
    const what = last.code === 'HOOK_TIMEOUT' ? 'took too long' : 'failed'
    report(new FileSignalError(last.code, `${name} ${what} ${more} within a second`, { cause: last }))
  }

  function stop(): void {
    if (timer) clearInterval(timer)
    timer = null
  }

  return {
    of: (hook, name) => (error) => count(hook, name, error),
    close: () => {
      turn()
      stop()
    },
  }
}
