import { type Finding, fail } from '../result.js'
import { PATIENCE } from './arrive.js'
import type { Exchange } from './exchange.js'
import { ask, type Client, type Probe } from './probe.js'

/** How a stream begins, once it is known to be one, or known to be held back. */
export interface Opening {
  /** The stream itself, open as long as nobody leaves it. */
  readonly probe: Probe
  /** The answer to judge: the stream's own, or that to a HEAD request where the stream's is held back. */
  readonly answer: Exchange
  /** What has come: all up to `ready`; bytes, but no `ready`; headers alone; nothing. */
  readonly came: 'ready' | 'bytes' | 'head' | 'nothing'
  /** How long the app let a first request wait, where this is the second; null where it is the first. */
  readonly slow: number | null
}

const READY = 2500
const HEAD_TIME = 6000

/**
 * Waits for the beginning of a stream. Where nothing comes, a HEAD request tells whether the app is alive:
 * it is answered by the same code, and ends at once, so that no layer holds it back.
 *
 * Resolves with a finding where there is no answer at all.
 */
export async function openStream(client: Client, first: Probe): Promise<Opening | Finding> {
  if (first.exchange.status !== null) return opened(first)
  if (first.exchange.end) return noAnswer(first.exchange)
  const { exchange: head } = await ask(client, first.target, { method: 'HEAD' })
  await head.until(({ status }) => status !== null, HEAD_TIME)
  head.leave()
  // An app that had to be started answers both now.
  if (head.status !== null && first.exchange.status === null) {
    const second = await ask(client, first.target)
    await second.exchange.until(({ status }) => status !== null, READY)
    if (second.exchange.status === null) {
      second.exchange.leave()
      return { probe: first, answer: head, came: 'nothing', slow: null }
    }
    first.exchange.leave()
    return { ...(await opened(second)), slow: first.exchange.now() }
  }
  if (first.exchange.status !== null) return opened(first)
  return fail(
    `no answer: a GET brought no byte within ${Math.round(first.exchange.now())} ms, a HEAD none within ${HEAD_TIME} ms`,
    'the app hangs, is being started, or waits for a free worker: look into the logs and the process limits',
  )
}

/** True for what `openStream` gives where there is no answer. */
export function isFinding(opening: Opening | Finding): opening is Finding {
  return 'seen' in opening
}

async function opened(probe: Probe): Promise<Opening> {
  const { exchange } = probe
  const isStream = /^text\/event-stream/i.test(exchange.headers['content-type'] ?? '')
  if (exchange.status === 200 && isStream) await exchange.until(isReady, READY)
  // A page's title is all that is wanted of it.
  else await exchange.until(({ text }) => /<\/title>/i.test(text), 1000)
  const came = isReady(exchange) ? 'ready' : exchange.body === null ? 'head' : 'bytes'
  return { probe, answer: exchange, came, slow: null }
}

export function isReady({ stream }: Exchange): boolean {
  return stream.messages.some(({ type }) => type === 'ready')
}

function noAnswer({ end, fault }: Exchange): Finding {
  const how = fault ?? (end?.how === 'reset' ? 'the connection was reset' : 'the connection was closed')
  return fail(
    `no answer: ${how} after ${Math.round(end?.at ?? PATIENCE)} ms`,
    'look at what listens there, and into its error log',
  )
}
