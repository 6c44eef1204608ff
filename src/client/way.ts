import type { Settings } from './options.js'
import type { Findings } from './parser.js'
import type { LineState } from './states.js'

/** What the server is asked for: a stream, or as docs/protocol.md says. */
export type Mode = '' | 'short' | 'now' | 'probe'

/** Whom to ask. */
export interface Way {
  readonly url: URL
  readonly settings: Settings
}

/** How a request went: a state, `closed` where asking again is of no use, and what to know for the next one. */
export interface Verdict extends LineState {
  /** Milliseconds before which the server does not want to be asked again. */
  after?: number
  /** True for an answer that came to its end. */
  whole?: boolean
}

/** What an answer brings. */
export interface Hearing extends Findings {
  /** Called for each piece, before what is found in it. */
  onBytes?(): void
}

/** One request, from its beginning to whatever ends it. */
export type Ask = (
  way: Way,
  mode: Mode,
  cursor: string,
  signal: AbortSignal,
  hearing: Hearing,
) => Promise<Verdict>

/** The cursor goes with the address: a header would make browsers ask other origins for permission first. */
export function addressOf({ url, settings }: Way, mode: Mode, cursor: string): URL {
  const address = new URL(url)
  const query = address.searchParams
  // The keys do not tell the server what hooks make for whom; who says nothing shares nothing of that.
  query.set('hello', settings.identity ? 'named' : '')
  if (mode) query.set('mode', mode)
  else query.delete('mode')
  if (cursor) query.set('lastEventId', cursor)
  return address
}

/** True for the `[DONE]` of a stream; an event with that text comes in quotes. */
export function isEnd({ event, data }: { event: string; data?: string }): boolean {
  return !event && data === '[DONE]'
}
