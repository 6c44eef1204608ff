import { type AnyIterable, type Items, itemsOf } from '../../iterable.js'

/** What a source is told beside its context. */
export interface SourceCall {
  /**
   * Aborted when nobody listens any more: the client has left, the stream has ended, the instance closes. With
   * `share` that is when the last client has left. A callback's is aborted at its `timeout` too.
   */
  readonly signal: AbortSignal
  /** The id that the client saw last; null for none, and always with `share`. */
  readonly lastEventId: string | null
}

/**
 * Asked when a client comes. Where it answers an async iterable, or an iterator, that is read to its end. Any
 * other answer makes it a callback, which is asked again and again: null and undefined are nothing to send.
 */
export type SourceFunction<Context> = (context: Context, call: SourceCall) => unknown

/** Where a stream's items come from: a function of the request, or an iterable. */
export type Source<Context> = SourceFunction<Context> | AnyIterable

/**
 * The items that a function answered with an async iterable or an iterator, else null: arrays and other
 * collections are data. Throws what the iterable throws.
 */
export function answeredItems(answer: unknown): Items | null {
  if (typeof answer !== 'object' || answer === null) return null
  if (Symbol.asyncIterator in answer) return itemsOf(answer as AsyncIterable<unknown>)
  return 'next' in answer && typeof answer.next === 'function' ? (answer as Items) : null
}

/** True for what can be read once: an iterator, such as a generator's object, and a stream. */
export function isReadOnce(source: object): boolean {
  return ['next', 'getReader', 'pipe'].some((name) => typeof Reflect.get(source, name) === 'function')
}
