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
  return { status: 'pass', seen, remedy: null, details }
}

export function warn(seen: string, remedy: string, details: Details = {}): Finding {
  return { status: 'warn', seen, remedy, details }
}

export function fail(seen: string, remedy: string, details: Details = {}): Finding {
  return { status: 'fail', seen, remedy, details }
}

/** Not looked at, or not to be known from here; `remedy` says how it can be found out. */
export function skip(seen: string, remedy: string | null = null, details: Details = {}): Finding {
  return { status: 'skip', seen, remedy, details }
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
