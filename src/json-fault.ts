import { types } from 'node:util'
import { callSafely } from './safe-call.js'

/** What JSON would change or drop: `what` ends a sentence that begins with "payload", as in `.items[3] is NaN`. */
export interface JsonFault {
  readonly what: string
  /** What to pass instead; absent where the catalogue says it. */
  readonly remedy?: string
}

/** What a look at a value has found. */
interface Look {
  /** True where a `toJSON` of the application's has a say, whose answer is known only to JSON.stringify. */
  speaks: boolean
}

/**
 * The JSON text of a value, undefined where it has none, or the fault for which it must not be taken. Throws what
 * JSON.stringify and the value's own functions throw.
 *
 * JSON.stringify alone says nothing where it drops something: NaN becomes null, and a Map, a Set, an Error and all other
 * objects that keep what they hold elsewhere than in properties become `{}`. So each value is looked at, which for plain
 * data takes about as long as writing it; only what a `toJSON` gives is looked at while it is written.
 */
export function toJson(value: unknown): { text: string | undefined } | { fault: JsonFault } {
  const look: Look = { speaks: false }
  let fault: JsonFault | null
  try {
    fault = faultOf(value, look)
  } catch (error) {
    // It goes round in a circle: JSON.stringify says where.
    if (error instanceof RangeError) JSON.stringify(value)
    throw error
  }
  if (fault) return { fault }
  return look.speaks ? writeAnswers(value) : { text: JSON.stringify(value) }
}

function faultOf(value: unknown, look: Look): JsonFault | null {
  if (typeof value !== 'object') return primitiveFault(value)
  if (value === null) return null
  if (hasMethod(value, 'toJSON')) return speakerFault(value, look)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) {
      const fault = faultOf(value[i], look)
      if (fault) return { ...fault, what: `[${i}]${fault.what}` }
    }
    return null
  }
  const own = objectFault(value)
  if (own) return own
  for (const name of Object.keys(value)) {
    const part = (value as Record<string, unknown>)[name]
    const fault = part === undefined ? null : faultOf(part, look)
    if (fault) return { ...fault, what: `${step(name)}${fault.what}` }
  }
  return null
}

function primitiveFault(value: unknown): JsonFault | null {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? null : { what: ` is ${value}` }
    case 'undefined':
      return { what: ' is undefined' }
    case 'function':
    case 'symbol':
      return { what: ` is a ${typeof value}` }
    default:
      return null
  }
}

/** Dates are the usual ones, and what they give is known. */
function speakerFault(value: object, look: Look): JsonFault | null {
  if (!types.isDate(value)) look.speaks = true
  else if (Number.isNaN(value.getTime())) {
    return { what: ' is an invalid Date', remedy: 'pass null, or a Date that was parsed well' }
  }
  return null
}

/** Writes it, and looks at each value as it is written: behind its `toJSON`. */
function writeAnswers(value: unknown): { text: string | undefined } | { fault: JsonFault } {
  const paths = new Map<unknown, string>()
  let fault: JsonFault | null = null

  function take(this: unknown, name: string, part: unknown): unknown {
    // The value itself is held by an object of JSON.stringify's own.
    const above = paths.get(this)
    const path = above === undefined ? '' : `${above}${Array.isArray(this) ? `[${name}]` : step(name)}`
    if (typeof part === 'object' && part !== null) paths.set(part, path)
    const isAbsent = part === undefined && !Array.isArray(this)
    const found = isAbsent ? null : partFault(part)
    if (found) fault ??= { ...found, what: `${path}${found.what}` }
    // What comes behind a fault is not needed any more.
    return fault ? null : part
  }

  const text = JSON.stringify(value, take)
  return fault ? { fault } : { text }
}

function partFault(part: unknown): JsonFault | null {
  if (typeof part !== 'object') return primitiveFault(part)
  return part === null || Array.isArray(part) ? null : objectFault(part)
}

/** Plain objects, nearly all there are, are told by their prototype alone. */
function objectFault(value: object): JsonFault | null {
  if (hasMethod(value, 'then')) {
    // Refused here, it may have nobody else who looks after it: its rejection would end the process.
    callSafely(
      () => value,
      () => {},
    )
    return { what: ' is a Promise', remedy: 'await it first' }
  }
  const prototype: object | null = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return null
  if (types.isBoxedPrimitive(value)) return primitiveFault(value.valueOf())
  return kindFault(value) ?? emptyFault(value)
}

/** Objects that hold what they hold in slots of their own, whatever properties they have besides. */
function kindFault(value: object): JsonFault | null {
  if (types.isMap(value)) return { what: ' is a Map', remedy: 'pass Object.fromEntries(map), or [...map]' }
  if (types.isSet(value)) return { what: ' is a Set', remedy: 'pass [...set]' }
  if (types.isRegExp(value)) return { what: ' is a RegExp', remedy: 'pass its text: String(regexp)' }
  if (types.isNativeError(value) || value instanceof Error) {
    const name = nameOf(value)
    return { what: ` is an Error${name === 'Error' ? '' : ` (${name})`}`, remedy: 'pass { message, stack }' }
  }
  if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value)) {
    const remedy =
      'pass text, such as Buffer.from(bytes).toString("base64"), or an array of numbers: [...bytes]'
    return { what: ` is ${article(nameOf(value))}`, remedy }
  }
  return null
}

/** Of an object of some class without a property that JSON would write nothing is left, and it is hardly meant to be nothing. */
function emptyFault(value: object): JsonFault | null {
  if (Object.keys(value).length > 0) return null
  const name = nameOf(value)
  const isIterator = Symbol.iterator in value || Symbol.asyncIterator in value
  if (name === '' || name === 'Object') {
    return isIterator ? { what: ' is an iterator', remedy: 'pass what it gives: [...iterator]' } : null
  }
  const how = isIterator && 'entries' in value ? `Object.fromEntries() of it` : 'a plain object'
  return {
    what: ` is ${article(name)} without properties of its own, of which JSON keeps {}`,
    remedy: `pass ${how}, or give it a toJSON()`,
  }
}

/** The name of an object's class, '' where it has none: some plain objects come with a prototype without a constructor. */
function nameOf(value: object): string {
  const { constructor: made } = value as { constructor?: unknown }
  return typeof made === 'function' ? made.name || 'nameless class' : ''
}

function article(name: string): string {
  return `${/^[aeio]/i.test(name) ? 'an' : 'a'} ${name}`
}

function step(name: string): string {
  return /^[\p{L}\p{N}_$-]+$/u.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
}

function hasMethod(value: object, name: 'toJSON' | 'then'): boolean {
  return name in value && typeof (value as Record<string, unknown>)[name] === 'function'
}
