import { type Delays, measureDelays, measureShort, type Publish } from './delay.js'
import type { Opening } from './opening.js'
import { type Client, headersOf, open2, type Probe } from './probe.js'
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
  const { sent, delay: short } =
    cursor === null ? { sent: 0, delay: null } : await measureShort(client, target, cursor, send)
  const delays =
    http === '2' && streams
      ? await overHttp2(client, probe, send)
      : came === 'ready'
        ? await measureDelays(probe.exchange, send)
        : null
  const known = short !== null || (delays?.arrived ?? 0) > 0
  return { delays, short, known, sent: sent + (delays?.sent ?? 0) }
}

async function overHttp2(client: Client, { target }: Probe, send: Publish): Promise<Delays | null> {
  const session = await open2(client, target)
  if (!session) return null
  try {
    const stream = session.get(pathOf(target), headersOf(client, target, {}))
    return (await stream.until(isReady, 2500)) ? await measureDelays(stream, send) : null
  } finally {
    session.close()
  }
}
