import type { Reason } from './states.js'
import type { Verdict } from './way.js'

/** Milliseconds before the next try, until the server says otherwise. */
export const RETRY = 3000
/** The longest time a server may wish for, in milliseconds: beyond 24 days a timer would fire at once. */
const LONGEST = 3_600_000
/** The shortest, or `retry: 0` would ask without a pause. */
const SHORTEST = 20
/** What chance adds at most; and the pause of a page that is said to be offline. */
export const CAP = 30_000

/** Statuses that will pass: too slow, too early, too many, and whatever is the server's own fault. */
const PASSING = /^(408|425|429|5..)$/

/** What an answer means that is no stream; undefined for a stream. */
export function judge({ status, headers, ok }: Response): Verdict | undefined {
  const type = headers.get('Content-Type') ?? 'no type'
  const mean = (state: Verdict['state'], reason: Reason): Verdict => {
    return { state, reason, status, message: `status ${status}, ${type}` }
  }
  if (status === 200 && /^text\/event-stream *(;|$)/i.test(type)) return
  if (PASSING.test(`${status}`)) return { ...mean('waiting', 'server'), after: readAfter(headers) }
  return mean('closed', status === 204 ? 'ended' : ok ? 'not-a-stream' : 'refused')
}

/** Milliseconds that Retry-After asks for, in seconds or as a date; 0 without it, less for what is past. */
function readAfter(headers: Headers): number {
  const text = headers.get('Retry-After')
  const seconds = Number(text)
  return Math.min(LONGEST, (seconds >= 0 ? seconds * 1000 : Date.parse(`${text}`) - Date.now()) || 0)
}

/**
 * Milliseconds to wait after `failures` tries in a row that came to nothing: what the server wants at
 * least, and above it by chance more and more, or all pages would come back in the same moment.
 */
export function delay(retry: number, after: number, failures: number): number {
  const spread = failures > 0 || after > 0 ? Math.min(CAP, retry * 2 ** failures) : 0
  return Math.round(Math.max(retry, after) + Math.random() * spread)
}

/** A `retry:` that a timer can keep. */
export function bound(retry: number): number {
  return Math.max(SHORTEST, Math.min(LONGEST, retry))
}
