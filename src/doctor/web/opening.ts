import { type Finding, fail } from '../result.js'
import { PATIENCE } from './arrive.js'
import { asksPlainly } from './encoding.js'
import type { Exchange } from './exchange.js'
import { ask, type Client, type Probe } from './probe.js'
import { isReady } from './ready.js'
import { withQuery } from './target.js'

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
  /** Whether it came through uncompressed; null where that was not tried. */
  readonly plain: boolean | null
}

const READY = 2500
const ALIVE_TIME = 4000

/**
 * Waits for the beginning of a stream. Where nothing comes, two requests that end at once tell whether the
 * app is alive, as no layer holds those back: a HEAD, and a short response, for Varnish makes a GET of a HEAD.
 *
 * Resolves with a finding where there is no answer at all.
 */
export async function openStream(client: Client, first: Probe): Promise<Opening | Finding> {
  const { exchange, target } = first
  if (exchange.status !== null) return opened(first)
  if (exchange.end) return noAnswer(exchange)
  const alive = await firstAnswer([
    await ask(client, target, { method: 'HEAD' }),
    await ask(client, withQuery(target, 'mode', 'short')),
  ])
  // An app that had to be started answers all of them now.
  if (exchange.status !== null) return opened(first)
  if (alive) return openAgain(client, first, alive)
  const what = exchange.firstByte === null ? 'no byte' : 'no complete headers'
  return fail(
    `no answer: ${what} within ${Math.round(exchange.now())} ms, and none to a HEAD or a short request either`,
    'the app hangs, is being started, or waits for a free worker: look into the logs and the process limits',
  )
}

async function openAgain(client: Client, first: Probe, alive: Exchange): Promise<Opening> {
  const [second, plain] = await Promise.all([ask(client, first.target), asksPlainly(client, first.target)])
  // The second had as long as the plain one took, at most.
  await second.exchange.until(({ status }) => status !== null, READY - second.exchange.now())
  if (second.exchange.status === null) {
    second.exchange.leave()
    return { probe: first, answer: alive, came: 'nothing', slow: null, plain }
  }
  first.exchange.leave()
  return { ...(await opened(second)), slow: first.exchange.now() }
}

/** The first good answer, else any, all of them left; null where there is none. */
async function firstAnswer(probes: readonly Probe[]): Promise<Exchange | null> {
  const answered = probes.map(async ({ exchange }) => {
    await exchange.until(({ status }) => status !== null, ALIVE_TIME)
    if (exchange.status === 200) return exchange
    throw new Error('not this one')
  })
  const good = await Promise.any(answered).catch(() => null)
  for (const { exchange } of probes) exchange.leave()
  return good ?? probes.find(({ exchange }) => exchange.status !== null)?.exchange ?? null
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
  return { probe, answer: exchange, came, slow: null, plain: null }
}

function noAnswer({ end, fault }: Exchange): Finding {
  const how = fault ?? (end?.how === 'reset' ? 'the connection was reset' : 'the connection was closed')
  return fail(
    `no answer: ${how} after ${Math.round(end?.at ?? PATIENCE)} ms`,
    'look at what listens there, and into its error log',
  )
}
