/** `pass`: as it should be. `warn`: works, with a price. `fail`: does not work. `skip`: not looked at, or not to be known here. */
export type CheckStatus = 'pass' | 'warn' | 'fail' | 'skip'

/** One thing that was looked at. */
export interface Check {
  /** `machine`, `files`, `delivery`, `address` or `stream`. */
  readonly group: CheckGroup
  /** What was looked at; names are stable. */
  readonly name: string
  readonly status: CheckStatus
  /** What was seen, in a line, with its figures. */
  readonly seen: string
  /** What to do about it; null where there is nothing to do. */
  readonly remedy: string | null
  /** The figures behind the line, for programs. Times are in milliseconds, sizes in bytes. */
  readonly details: Readonly<Record<string, unknown>>
}

export type CheckGroup = 'machine' | 'files' | 'delivery' | 'address' | 'stream'

/** What a check finds; its name and group are added where it is run. */
export type Finding = Omit<Check, 'group' | 'name'>

/** Hands on what a check has found. */
export type Tell = (group: CheckGroup, name: string, finding: Finding) => void

type Details = Readonly<Record<string, unknown>>

export function pass(seen: string, details: Details = {}): Finding {
  return made('pass', seen, null, details)
}

export function warn(seen: string, remedy: string, details: Details = {}): Finding {
  return made('warn', seen, remedy, details)
}

export function fail(seen: string, remedy: string, details: Details = {}): Finding {
  return made('fail', seen, remedy, details)
}

/** Not looked at, or not to be known from here; `remedy` says how it can be found out. */
export function skip(seen: string, remedy: string | null = null, details: Details = {}): Finding {
  return made('skip', seen, remedy, details)
}

/** Servers and other processes choose some of the words; a terminal would obey their control characters. */
function made(status: CheckStatus, seen: string, remedy: string | null, details: Details): Finding {
  return { status, seen: visible(seen), remedy: remedy === null ? null : visible(remedy), details }
}

/** Control characters, line breaks and marks that turn the direction of text, as `\u001b`. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A check that throws has failed to look, which is a finding too. */
export function safely(check: () => Finding | Promise<Finding>): Promise<Finding> {
  return guard(check, (unknown) => unknown)
}

/** What a part of a diagnosis brings; where it throws, what `otherwise` makes of the finding that says why. */
export async function guard<T>(work: () => T | Promise<T>, otherwise: (unknown: Finding) => T): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const { words, remedy } = wordsOf(error)
    // Who throws a remedy has found what is wrong; anything else has only kept the check from looking.
    return otherwise(remedy === null ? skip(`not known: ${words}`) : fail(words, remedy))
  }
}

/** What was thrown, and apart from it the remedy that our own errors bring. */
export function wordsOf(error: unknown): { words: string; remedy: string | null } {
  const remedy = error instanceof Error && 'remedy' in error ? String(error.remedy) : null
  return { words: reasonOf(error).replace(`; ${remedy}.`, ''), remedy }
}

/** `12 ms`, `3.4 s`: two significant figures are as much as anything here is worth. */
export function showTime(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`
}

/** The first line of whatever was thrown, without a stack. */
export function reasonOf(error: unknown): string {
  return (
    String(error instanceof Error ? error.message : error)
      .split('\n')[0]
      ?.trim() ?? ''
  )
}
