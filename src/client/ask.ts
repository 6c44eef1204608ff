import { askNative } from './native.js'
import type { Settings } from './options.js'
import { createParser } from './parser.js'
import { judge } from './retry.js'
import { type Ask, addressOf, isEnd, type Verdict } from './way.js'

/**
 * Asks once, and resolves when the answer has ended, however that came. Never rejects; aborted it is a 'cut' or
 * 'network'.
 */
export const ask: Ask = 'body' in Response.prototype ? askFetch : askNative

async function askFetch(...[way, mode, cursor, signal, hearing]: Parameters<Ask>): Promise<Verdict> {
  let isDone = false
  let hasBegun = false
  const parse = createParser({
    onRetry: hearing.onRetry,
    onBlock: (block) => {
      isDone ||= isEnd(block)
      hearing.onBlock(block)
    },
  })
  try {
    // Handlers come right behind listen(), and close() may.
    await null
    const response = await send(way.settings, addressOf(way, mode, cursor), signal)
    const verdict = judge(response)
    if (verdict) return verdict
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    for (;;) {
      const { value } = await reader.read()
      if (!value) return { state: 'waiting', reason: 'cut', whole: true }
      hasBegun = true
      hearing.onBytes?.()
      parse(value)
      if (isDone) return { state: 'closed', reason: 'ended' }
    }
  } catch (error) {
    if (error instanceof RangeError) return { state: 'closed', reason: 'too-long' }
    return { state: 'waiting', reason: hasBegun ? 'cut' : 'network', message: String(error) }
  }
}

/** The token may have expired: after a 401 another one is asked for, once. */
async function send(settings: Settings, address: URL, signal: AbortSignal, again = false): Promise<Response> {
  const { token, headers, credentials } = settings
  if (token && (again || settings.bearer === undefined)) settings.bearer = await token()
  const response = await fetch(address, {
    headers: {
      Accept: 'text/event-stream',
      ...headers,
      ...(token && { Authorization: `Bearer ${settings.bearer}` }),
    },
    credentials: credentials ?? 'same-origin',
    cache: 'no-store',
    signal,
  })
  return token && !again && response.status === 401 ? send(settings, address, signal, true) : response
}
