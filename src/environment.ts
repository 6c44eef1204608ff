import { FileSignalError, quote } from './errors.js'
import { eventFault, keyFault } from './event.js'
import { invalid } from './option-values.js'

/** Digits, with a point where wanted: no sign, no exponent, no unit. */
const DECIMAL = /^\d*\.?\d+$/
/** A shell takes the quotes round a value away; what reads such a file without one may leave them in it. */
const QUOTED = /^["'`]|["'`]$/
/** Another entry behind a semicolon. A key may have semicolons where no colon follows. */
const SEMICOLON = /;\s*[^\s;:][^;:]*:/

/**
 * Reads a list such as `order_created:orders,toast:user:42` into event names by key. The first colon of an entry
 * separates, so keys may have colons; blanks around names do not count. Null where there is no text.
 *
 * Throws OPTION_INVALID, EVENT_INVALID or KEY_INVALID, with the name of the `variable` and the entry.
 */
export function readListedEvents(
  variable: string,
  text: string | undefined,
  most: number,
): ReadonlyMap<string, string> | null {
  if (!text?.trim()) return null
  const listed = new Map<string, string>()
  for (const [i, entry] of text.split(',').entries()) {
    const where = `entry ${i + 1} of ${variable}, ${quote(entry.trim())},`
    const [event, key] = readEntry(entry, where)
    if (listed.has(key)) refuse(`${where} has the key of an earlier one`, 'list each key once')
    listed.set(key, event)
    if (listed.size > most) refuse(`${where} is one too many`, `list at most ${most} keys`)
  }
  return listed
}

/**
 * Reads seconds such as `15` or `0.5`, and returns milliseconds; null where there is no text.
 * Throws OPTION_INVALID outside `[least, most]`, which are milliseconds.
 */
export function readSeconds(
  variable: string,
  text: string | undefined,
  [least, most]: readonly [number, number],
): number | null {
  const value = text?.trim()
  if (!value) return null
  const time = DECIMAL.test(value) ? Number(value) * 1000 : Number.NaN
  if (time >= least && time <= most) return time
  const wanted = `seconds such as 15 or 0.5, from ${least / 1000} to ${most / 1000}`
  throw invalid(variable, text, QUOTED.test(value) ? `${wanted}, without quotes` : wanted)
}

function readEntry(entry: string, where: string): readonly [event: string, key: string] {
  if (QUOTED.test(entry.trim())) {
    refuse(`${where} has a quote at its end`, 'leave quotes out: order_created:orders,toast:user_toasts')
  }
  if (SEMICOLON.test(entry)) refuse(`${where} has another behind a semicolon`, 'separate entries by commas')
  const colon = entry.indexOf(':')
  if (colon < 0) {
    refuse(
      `${where} has no colon`,
      'write event:key, with commas between: order_created:orders,toast:user_toasts',
    )
  }
  const event = entry.slice(0, colon).trim()
  const key = entry.slice(colon + 1).trim()
  const fault = { event: eventFault(event), key: keyFault(key) }
  if (fault.event)
    throw new FileSignalError('EVENT_INVALID', `${where} has an event name that ${fault.event}`)
  if (fault.key) throw new FileSignalError('KEY_INVALID', `${where} has a key that ${fault.key}`)
  return [event, key]
}

function refuse(what: string, remedy: string): never {
  throw new FileSignalError('OPTION_INVALID', what, { remedy })
}
