import { quote } from './errors.js'

/** What hands out items one by one, at once or after a while. */
export type AnyIterable = (Iterable<unknown> | AsyncIterable<unknown>) & object

/** What is used of an iterator, async or not. */
export interface Items {
  next(): unknown
  return?: () => unknown
}

/** True for what `itemsOf()` takes. Text and bytes are data: nobody wants an event for each letter. */
export function isIterable(value: unknown): value is AnyIterable {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return false
  return Symbol.asyncIterator in value || Symbol.iterator in value
}

/** A new iterator of an iterable. Throws what the iterable throws. */
export function itemsOf(source: AnyIterable): Items {
  return Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
}

/** What `next()` of an iterator gave, or, of an async one, promised. Throws TypeError where that is no object. */
export function stepOf(given: unknown): IteratorResult<unknown> {
  if (typeof given === 'object' && given !== null) return given as IteratorResult<unknown>
  throw new TypeError(`next() of an iterator gave ${quote(given)} instead of an object`)
}

/** Tells an iterator that no more is wanted, without waiting: a `next()` that hangs would hold its answer back. */
export function letGo(items: Items): void {
  try {
    Promise.resolve(items.return?.()).catch(() => {})
  } catch {
    // It was told, and nobody is there who could hear of its trouble.
  }
}
