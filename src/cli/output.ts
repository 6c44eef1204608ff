import { once } from 'node:events'

/** Standard output, one line at a time. */
export interface Output {
  /** Prints `text`, or with --json `value` as one line of JSON. Resolves when there is room for more. */
  print(text: string, value: unknown): Promise<void>
  /** Aborts when nobody reads any more, as after `| head`. */
  readonly gone: AbortSignal
}

/**
 * Lines wait for a slow reader instead of piling up, and a reader that left is no error: printing
 * goes nowhere from then on.
 */
export function createOutput(json: boolean): Output {
  const gone = new AbortController()
  const { stdout } = process
  stdout.on('error', () => gone.abort())
  return {
    gone: gone.signal,
    async print(text, value) {
      if (gone.signal.aborted) return
      const line = json ? JSON.stringify(value, liftedLimits) : text
      if (stdout.write(`${visible(line)}\n`)) return
      await once(stdout, 'drain', { signal: gone.signal }).catch(() => {})
    },
  }
}

/** JSON has no Infinity; a lifted limit is `false`, as in the options. */
function liftedLimits(_name: string, value: unknown): unknown {
  return value === Number.POSITIVE_INFINITY ? false : value
}

/** JSON leaves the control characters above U+007E as they are, and some terminals obey them. */
function visible(line: string): string {
  return line.replaceAll(/[\u007f-\u009f]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}
