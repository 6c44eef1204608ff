import { performance } from 'node:perf_hooks'
import type { StreamSettings } from '../options.js'
import { type Connection, type ConnectionSite, LINGERING } from './connection.js'
import { encodeDone, encodeReset } from './frame.js'
import { isGone, type OnFlushed, type Outgoing, onceClosed, whenFlushed } from './outgoing.js'
import { encodeRetry, writeStreamHead } from './unbuffered.js'

/** Milliseconds until the client asks again after an answer; at least one answer a heartbeat is empty. */
export const SHORT_RETRY = [200, 300] as const

/** Milliseconds in which an answer collects what comes piece by piece, and the next piece is not far. */
const COLLECTING = 250

/**
 * A short response, for layers that hand on nothing before the end: it waits for the first news, answers
 * with them in one piece, and ends. EventSource comes back by itself and goes on after the last id.
 *
 * Without news it ends after the silence that a stream would break with a heartbeat; a client that came without
 * a cursor is not to `wait`, for its first cursor is news. `again` is the range of its `retry:`.
 */
export function createShortConnection(
  response: Outgoing,
  plan: StreamSettings,
  site: ConnectionSite,
  wait: boolean,
  again: readonly [number, number],
): Connection {
  const longest = Math.min(plan.heartbeat, plan.duration)
  let since = performance.now()
  const endsAt = since + longest * (0.8 + Math.random() * 0.2)
  let state: 'waiting' | 'ending' | 'closed' = isGone(response) ? 'closed' : 'waiting'
  let hasNews = !wait
  let text = ''
  let collected = 0
  let sent = 0
  let collecting: NodeJS.Timeout | null = null
  let letGo = () => {}

  function answer(
    news: Buffer | string,
    retry: readonly [number, number] = again,
    onFlushed?: OnFlushed,
  ): void {
    if (state !== 'waiting') return
    stopCollecting()
    const last = news.length === 0 ? site.lastWords(connection) : ''
    const body = Buffer.concat([Buffer.from(encodeRetry(retry) + text), Buffer.from(news), Buffer.from(last)])
    try {
      writeStreamHead(response, { 'Content-Length': String(body.length) })
    } catch (error) {
      // Somebody else has answered meanwhile, and the response is theirs.
      site.onFault(error)
      release()
      return
    }
    state = 'ending'
    since = performance.now()
    sent = body.length
    response.end(body, onFlushed && whenFlushed(response, onFlushed))
    site.onEnd(connection)
  }

  function stopCollecting(): void {
    if (collecting) clearTimeout(collecting)
    collecting = null
  }

  function close(): void {
    if (state === 'closed') return
    stopCollecting()
    state = 'closed'
    site.onClose(connection)
  }

  function release(): void {
    letGo()
    close()
  }

  function drop(): void {
    response.destroy()
    close()
  }

  const connection: Connection = {
    finest: longest,
    isOpen: () => state === 'waiting',
    isFull: () => false,
    measure: () => ({
      kind: 'short',
      state: state === 'waiting' ? 'open' : 'ending',
      since,
      waiting: state === 'ending' ? response.writableLength : 0,
      sent,
      response,
    }),
    open: (ready = '') => {
      text += ready
    },
    write: (batch) => {
      if (state === 'waiting') site.tally.events += batch.sent.length
      answer(batch.bytes())
      return false
    },
    send: (data, events = 0, onFlushed) => {
      if (state === 'waiting') site.tally.events += events
      if (onFlushed) answer(data, again, onFlushed)
      if (state !== 'waiting') return false
      text += data.toString()
      hasNews = true
      collected += data.length
      if (collected > site.buffer) answer('')
      else collecting ??= setTimeout(answer, COLLECTING, '')
      return state === 'waiting'
    },
    caughtUp: () => {
      if (hasNews) answer('')
    },
    // What comes behind it belongs to the same answer: the end of every key is not told a second time.
    reset: (reason, cursor) => {
      text += encodeReset(reason, cursor)
      hasNews = true
    },
    done: (cursor, last) => answer((last?.bytes().toString() ?? '') + encodeDone(cursor)),
    fail: (error) => {
      site.onFault(error)
      connection.end()
    },
    // After a fault, or while this process ends, asking again at once would not help.
    end: () => answer('', plan.retry),
    release,
    tick: (now) => {
      if (state === 'waiting' && now >= endsAt) answer('')
      else if (state === 'ending' && now - since >= LINGERING) drop()
    },
  }
  if (state === 'waiting') letGo = onceClosed(response, close)
  return connection
}
