import { type Delays, measureDelays, measureShort, type Publish } from './delay.js'
import { hasEnded, isDone } from './ending.js'
import type { Exchange } from './exchange.js'
import type { Opening } from './opening.js'
import { ask, type Client, headersOf, open2, type Probe } from './probe.js'
import { isReady } from './ready.js'
import type { Second } from './six.js'
import { pathOf } from './target.js'

/** What became of events that were published for the diagnosis. */
export interface Heard {
  /** On the open stream; null where that did not even begin. */
  readonly delays: Delays | null
  /** From signal() to a short response with the event; null where none came. */
  readonly short: number | null
  /** False where no event came by any way: then the key or the store is another, and nothing is proved. */
  readonly known: boolean
  /** How many events were published. */
  readonly sent: number
  /** `done`: the key had ended, so nothing was published. `early`: the stream ended while it was measured. */
  readonly ended: 'done' | 'early' | null
}

/** Publishes into the stream as a browser has it, and into a short response that goes on after `cursor`. */
export async function publishInto(
  client: Client,
  { probe, came }: Opening,
  cursor: string | null,
  { streams, http }: Second,
  send: Publish,
): Promise<Heard> {
  const { target } = probe
  // An event would open the key again, for everybody.
  if (isDone(probe.exchange)) return { delays: null, short: null, known: false, sent: 0, ended: 'done' }
  const { sent, delay: short } =
    cursor === null ? { sent: 0, delay: null } : await measureShort(client, target, cursor, send)
  const stream =
    http === '2' && streams
      ? await overHttp2(client, probe, send)
      : came === 'ready'
        ? await overHttp1(client, probe, send)
        : null
  const { delays, isEnded } = stream ?? { delays: null, isEnded: false }
  const known = short !== null || (delays?.arrived ?? 0) > 0
  return { delays, short, known, sent: sent + (delays?.sent ?? 0), ended: isEnded ? 'early' : null }
}

interface Measured {
  readonly delays: Delays
  readonly isEnded: boolean
}

/** Takes a stream of its own where the first has reached its duration by now. */
async function overHttp1(client: Client, { exchange, target }: Probe, send: Publish): Promise<Measured> {
  if (!exchange.end) return measure(exchange, send)
  const again = await ask(client, target)
  await again.exchange.until(isReady, 2500)
  try {
    return await measure(again.exchange, send)
  } finally {
    again.exchange.leave()
  }
}

async function overHttp2(client: Client, { target }: Probe, send: Publish): Promise<Measured | null> {
  const session = await open2(client, target)
  if (!session) return null
  try {
    const stream = session.get(pathOf(target), headersOf(client, target, {}))
    return (await stream.until(isReady, 2500)) ? await measure(stream, send) : null
  } finally {
    session.close()
  }
}

async function measure(stream: Exchange, send: Publish): Promise<Measured> {
  const delays = await measureDelays(stream, send)
  return { delays, isEnded: hasEnded(stream) }
}
