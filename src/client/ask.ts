import type { Settings } from './options.js'
import { createParser, type Findings, TooLong } from './parser.js'
import { judge } from './retry.js'
import type { LineState } from './states.js'

/** What the server is asked for other than a stream: see docs/protocol.md. */
export type Mode = 'short' | 'now' | 'probe'

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

/** What an answer brings; `onBytes` is called for each piece, before what is found in it. */
export interface Hearing extends Findings {
  onBytes?(): void
}

/**
 * Asks once, and resolves when the answer has ended, however that came. `mode` is '' for a stream. Never
 * rejects; aborted it is a 'cut' or 'network'.
 */
export async function ask(
  way: Way,
  mode: Mode | '',
  cursor: string,
  signal: AbortSignal,
  hearing: Hearing,
): Promise<Verdict> {
  let isDone = false
  let hasBegun = false
  const parse = createParser({
    onRetry: hearing.onRetry,
    onBlock: (block) => {
      if (isDone) return
      isDone = block.event === '' && block.data === '[DONE]'
      hearing.onBlock(block)
    },
  })
  try {
    const response = await send(way, mode, cursor, signal)
    const verdict = judge(response)
    if (verdict) return verdict
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    while (!isDone) {
      const { value } = await reader.read()
      if (!value) return { state: 'waiting', reason: 'cut', whole: true }
      hasBegun = true
      hearing.onBytes?.()
      parse(value)
    }
    return { state: 'closed', reason: 'ended', whole: true }
  } catch (error) {
    if (error instanceof TooLong) return { state: 'closed', reason: 'too-long' }
    return { state: 'waiting', reason: hasBegun ? 'cut' : 'network', message: String(error) }
  }
}

/** True where the server answers a plain request. */
export async function isThere(way: Way, signal: AbortSignal): Promise<boolean> {
  try {
    return (await send(way, '', '', signal, 'HEAD')).ok
  } catch {
    return false
  }
}

/** The token may have expired: after a 401 another one is asked for, once. */
async function send(way: Way, mode: string, cursor: string, signal: AbortSignal, method = 'GET') {
  const { settings } = way
  const url = new URL(way.url)
  const query = url.searchParams
  query.set('hello', '')
  if (mode) query.set('mode', mode)
  // A header would make browsers ask other origins for permission first.
  if (cursor) query.set('lastEventId', cursor)
  const go = async (again: boolean) =>
    fetch(url, {
      method,
      headers: { Accept: 'text/event-stream', ...(await settings.authorize(again)) },
      credentials: settings.credentials,
      cache: 'no-store',
      signal,
    })
  const response = await go(false)
  return response.status === 401 && settings.token ? go(true) : response
}
