import type { Event } from '../event.js'

export interface SubscribeOptions {
  /** The id after which to begin. Default: the head at the call. */
  after?: string
}

/** What `subscribe()` returns: events in order, each once. */
export interface Subscriber extends AsyncIterableIterator<Event, undefined>, AsyncDisposable {
  return(): Promise<IteratorResult<Event, undefined>>
}
