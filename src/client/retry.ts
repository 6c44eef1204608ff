import type { Verdict } from './ask.js'

/** Milliseconds before the next try, until the server says otherwise. */
export const RETRY = 3000
/** The longest time a server may wish for, in milliseconds: beyond 24 days a timer would fire at once. */
const LONGEST = 3_600_000
/** The shortest, or `retry: 0` would ask without a pause. */
const SHORTEST = 20
/** What chance adds at most. */
const CAP = 30_000

/** Statuses that will pass: too slow, too early, too many, and whatever is the server's own fault. */
const PASSING = /^(408|425|429|5..)$/

/** What an answer means that is no stream; undefined for a stream. */
export function judge(response: Response): Verdict | undefined {
  const { status, headers } = response
  const type = headers.get('Content-Type') ?? 'no type'
  if (status === 200 && /^text\/event-stream *(;|$)/i.test(type)) return
  if (status === 204) return { state: 'closed', reason: 'ended', status }
  if (PASSING.test(String(status))) {
    const after = readAfter(headers.get('Retry-After'))
    return { state: 'waiting', reason: 'server', status, message: `status ${status}`, after }
  }
  if (response.ok)
    return { state: 'closed', reason: 'not-a-stream', status, message: `status ${status}, ${type}` }
  return { state: 'closed', reason: 'refused', status, message: `status ${status}` }
}

/** Milliseconds that Retry-After asks for, in seconds or as a date; 0 without it. */
function readAfter(text: string | null): number {
  const seconds = Number(text)
  return clamp((seconds >= 0 ? seconds * 1000 : Date.parse(String(text)) - Date.now()) || 0)
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
  return Math.max(SHORTEST, clamp(retry))
}

function clamp(ms: number): number {
  return Math.min(LONGEST, Math.max(0, ms))
}
