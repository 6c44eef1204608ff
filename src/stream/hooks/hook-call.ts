import type { HookTools } from '../../hook-options.js'

/** How one call of a user's function went. */
export type HookAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly late: boolean; readonly error: unknown }

/** A call that is still running. */
export interface HookCall {
  /** Nobody wants its answer any more: aborts its signal, and `onAnswer` is not called. */
  abandon(): void
}

/**
 * Calls a user's function, and hands on what it returns or promises: in the same turn where it is no promise,
 * so that nothing waits that need not.
 *
 * After `limit` milliseconds the answer is "late", the signal is aborted, and what still comes is ignored.
 * `onReturn` is told when the function has really come back, which may be long after that.
 */
export function callHook(
  hook: (tools: HookTools) => unknown,
  limit: number,
  onAnswer: (answer: HookAnswer) => void,
  onReturn: () => void = () => {},
): HookCall {
  const { tools, abort } = createTools()
  let timer: NodeJS.Timeout | null = null
  let over = false

  function answer(given: HookAnswer): void {
    if (over) return
    over = true
    if (timer) clearTimeout(timer)
    onAnswer(given)
  }

  function returned(given: HookAnswer): void {
    onReturn()
    answer(given)
  }

  try {
    const value = hook(tools)
    if (isPromise(value)) {
      timer = setTimeout(() => {
        const error = new Error(`no answer after ${limit} ms`)
        abort(error)
        answer({ ok: false, late: true, error })
      }, limit)
      Promise.resolve(value).then(
        (kept) => returned({ ok: true, value: kept }),
        (error) => returned({ ok: false, late: false, error }),
      )
    } else returned({ ok: true, value })
  } catch (error) {
    returned({ ok: false, late: false, error })
  }

  return {
    abandon: () => {
      if (over) return
      over = true
      if (timer) clearTimeout(timer)
      abort()
    },
  }
}

/** Awaits what can be awaited in the caller's asynchronous context: some queries begin only then. */
export function adopt(value: unknown): unknown {
  return isPromise(value) ? Promise.resolve(value) : value
}

/** Most hooks never look at their signal, and an AbortController costs more than the rest of a call. */
function createTools(): { tools: HookTools; abort(reason?: Error): void } {
  const controller = () => {
    made ??= new AbortController()
    return made
  }
  let made: AbortController | null = null
  return {
    tools: {
      get signal() {
        return controller().signal
      },
    },
    abort: (reason) => controller().abort(reason),
  }
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
