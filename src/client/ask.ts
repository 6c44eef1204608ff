import { askNative } from './native.js'
import type { Settings } from './options.js'
import { createParser } from './parser.js'
import { judge } from './retry.js'
import type { Reason } from './states.js'
import { type Ask, addressOf, isEnd, type Verdict } from './way.js'

/**
 * Asks once, and resolves when the answer has ended, however that came. Never rejects; aborted it is a 'cut' or
 * 'network'.
 */
export const ask: Ask = 'body' in Response.prototype ? askFetch : askNative

async function askFetch(...[way, mode, cursor, signal, hearing]: Parameters<Ask>): Promise<Verdict> {
  const { settings } = way
  let isDone = false
  /** What an error means, step by step. */
  let fault = 'network' as Reason
  const parse = createParser({
    onRetry: hearing.onRetry,
    onBlock: (block) => {
      isDone ||= isEnd(block)
      hearing.onBlock(block)
    },
  })

  /** The token may have expired: after a 401 another one is asked for, once. */
  async function send(refused?: Settings['bearer']): Promise<Response> {
    const { token, headers, credentials } = settings
    const request = new Request(addressOf(way, mode, cursor), {
      headers,
      credentials,
      cache: 'no-store',
      signal,
    } as RequestInit)
    request.headers.set('Accept', 'text/event-stream')
    fault = 'token'
    // Those who ask meanwhile wait for the same one: a page may open its login for it.
    if (token && settings.bearer === refused) settings.bearer = (async () => token())()
    const { bearer } = settings
    const given = await bearer
    if (given) request.headers.set('Authorization', `Bearer ${given}`)
    fault = 'network'
    const response = await fetch(request)
    return token && !refused && response.status === 401 ? send(bearer) : response
  }

  try {
    // Handlers come right behind listen(), and close() may.
    await null
    const response = await send()
    const verdict = judge(response)
    if (verdict) return verdict
    const reader = (response.body as ReadableStream<Uint8Array>).getReader()
    for (;;) {
      const { value } = await reader.read()
      if (!value) return { state: 'waiting', reason: 'cut', whole: true }
      fault = 'cut'
      hearing.onBytes?.()
      parse(value)
      if (isDone) return { state: 'closed', reason: 'ended' }
    }
  } catch (error) {
    if (fault === 'token') delete settings.bearer
    if (fault === 'cut' && error instanceof RangeError) return { state: 'closed', reason: 'too-long' }
    return { state: 'waiting', reason: fault, message: String(error) }
  }
}
