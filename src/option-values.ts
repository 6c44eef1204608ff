import bytes from 'bytes'
import ms from 'ms'
import { FileSignalError, quote } from './errors.js'

const HOUR = 60 * 60 * 1000

/** Throws OPTION_INVALID for what is no object, and for names that are not known: they are mostly typing errors. */
export function refuseUnknown(options: unknown, place: string, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new FileSignalError('OPTION_INVALID', `${place} options are ${quote(options)}, not an object`)
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue
    throw new FileSignalError('OPTION_INVALID', `${place} has no option ${quote(name)}`, {
      remedy: `known are ${known.join(', ')}`,
    })
  }
}

/** OPTION_INVALID for `name`, with the value seen; `wanted` ends the remedy "use ...". */
export function invalid(name: string, value: unknown, wanted: string): FileSignalError {
  return new FileSignalError('OPTION_INVALID', `${name} is ${quote(value)}`, { remedy: `use ${wanted}` })
}

/** A path, null for undefined. Throws OPTION_INVALID. */
export function text(value: unknown, name: string): string | null {
  if (value === undefined) return null
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value
  throw invalid(name, value, 'a path')
}

/** True or false, false for undefined. Throws OPTION_INVALID. */
export function flag(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false
  throw invalid(name, value, 'true or false')
}

/** A function, null for undefined. Throws OPTION_INVALID. */
export function fn<F>(value: F | undefined, name: string): F | null {
  if (value === undefined) return null
  if (typeof value === 'function') return value
  throw invalid(name, value, 'a function')
}

/** The name or number of a group, null for undefined. Throws OPTION_INVALID. */
export function group(value: unknown): string | number | null {
  if (value === undefined) return null
  if (typeof value === 'string' && value !== '') return value
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw invalid('group', value, 'the name or the number of a group')
}

/** A whole number within bounds, null for undefined. Throws OPTION_INVALID. */
export function whole(value: unknown, name: string, least: number, most: number): number | null {
  if (value === undefined) return null
  if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number
  }
  throw invalid(name, value, `a whole number from ${least} to ${most}`)
}

/** A time in milliseconds within bounds, null for undefined. Throws OPTION_INVALID. */
export function duration(value: unknown, name: string, least: number, most: number): number | null {
  if (value === undefined) return null
  const time = typeof value === 'string' ? parseDuration(value) : value
  if (typeof time === 'number' && time >= least && time <= most) return time
  throw invalid(name, value, `milliseconds or a text such as "15s", from ${least} ms to ${ms(most)}`)
}

function parseDuration(value: string): number | undefined {
  return value.trim() === '' || value.length > 50 ? undefined : ms(value as ms.StringValue)
}

/** A size in bytes within bounds, null for undefined. Throws OPTION_INVALID. */
export function size(value: unknown, name: string, least: number, most: number): number | null {
  if (value === undefined) return null
  const amount = typeof value === 'string' ? parseSize(value) : value
  if (Number.isSafeInteger(amount) && (amount as number) >= least && (amount as number) <= most) {
    return amount as number
  }
  throw invalid(name, value, `bytes or a text such as "64mb", from ${least} to ${most} bytes`)
}

/** `bytes` takes "12 apples" for 12, so the shape is checked first. */
function parseSize(value: string): number | null {
  return /^\d+(\.\d+)? ?([kmgt]?b)?$/i.test(value) ? bytes.parse(value) : null
}

/** What `parse` makes of a value; Infinity for false, which lifts the limit. */
export function limit(value: unknown, parse: (value: unknown) => number | null): number | null {
  return value === false || value === Number.POSITIVE_INFINITY ? Number.POSITIVE_INFINITY : parse(value)
}

/** A range in milliseconds from one time or two, null for undefined. Throws OPTION_INVALID. */
export function retry(value: unknown): readonly [number, number] | null {
  if (value === undefined) return null
  const [least, most] = Array.isArray(value) && value.length === 2 ? value : [value, value]
  const range = [duration(least, 'retry', 1, HOUR), duration(most, 'retry', 1, HOUR)]
  if (range[0] === null || range[1] === null || range[0] === undefined || range[1] === undefined) {
    throw invalid('retry', value, 'a time, or two of them')
  }
  if (range[0] > range[1]) throw invalid('retry', value, 'the shorter time first')
  return [range[0], range[1]]
}

/** A number of events, Infinity for all. Throws OPTION_INVALID. */
export function replay(value: unknown): number {
  if (value === undefined || value === 'none') return 0
  if (value === 'last') return 1
  if (value === 'all') return Number.POSITIVE_INFINITY
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw invalid('replay', value, '"none", "last", "all" or a whole number')
}

/** Who gets an event. A mailbox gives all that waits, and keeps nothing to replay. Throws OPTION_INVALID. */
export function deliver(value: unknown, replayed: unknown): 'all' | 'once' {
  if (value === undefined || value === 'all') return 'all'
  if (value !== 'once') throw invalid('deliver', value, '"all" or "once"')
  if (replayed === undefined) return value
  throw new FileSignalError('OPTION_INVALID', `replay is ${quote(replayed)} where deliver is "once"`, {
    remedy: 'leave replay out: a mailbox gives all that waits',
  })
}
