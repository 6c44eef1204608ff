import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import type { Exchange } from './exchange.js'
import { ask, type Client } from './probe.js'
import { type Target, withQuery } from './target.js'

/** Publishes to the key that the address listens to. */
export type Publish = (payload: object) => Promise<unknown>

/** Delays of real events, in milliseconds from the call of signal() to the browser's side. */
export interface Delays {
  readonly sent: number
  readonly arrived: number
  readonly p50: number | null
  readonly p95: number | null
  readonly max: number | null
}

/** As few as tell a steady delay from a chance: each stays in the key, and pushes another out of its replay. */
const COUNT = 5
/** Apart from each other, or a layer that delays would get two of them into one packet. */
const GAP = 120
const LATE = 2000
const SHORT_TIME = 3000
const REALTIME = 30

/** Publishes events and watches them arrive on an open stream. */
export async function measureDelays(stream: Exchange, publish: Publish): Promise<Delays> {
  const nonce = randomBytes(8).toString('hex')
  const delays = new Map<string, number>()
  const sentAt = new Map<string, number>()

  function look(): boolean {
    for (const { data, at } of stream.stream.messages) {
      const name = nonceOf(data)
      const sent = sentAt.get(name)
      if (sent !== undefined && !delays.has(name)) delays.set(name, at - sent)
    }
    return delays.size === COUNT
  }

  for (let i = 0; i < COUNT && !stream.end; i += 1) {
    const name = `${nonce}-${i}`
    sentAt.set(name, stream.now())
    await publish({ nonce: name })
    await pause(GAP)
  }
  await stream.until(look, LATE)
  look()
  const sorted = [...delays.values()].sort((a, b) => a - b)
  const at = (share: number): number | null => sorted[Math.ceil(share * sorted.length) - 1] ?? null
  return { sent: sentAt.size, arrived: delays.size, p50: at(0.5), p95: at(0.95), max: at(1) }
}

/**
 * Waits in a short response that goes on after `cursor`, and publishes into it. Resolves with the time from
 * signal() to the whole answer; null where the event did not come.
 */
export async function measureShort(
  client: Client,
  target: Target,
  cursor: string,
  publish: Publish,
): Promise<number | null> {
  const short = withQuery(target, 'mode', 'short')
  const { exchange, connected } = await ask(client, short, { lastEventId: cursor })
  // The request is to be waiting there before the event is.
  await exchange.until(() => false, 50 + 3 * connected.tcp)
  const name = randomBytes(8).toString('hex')
  const sent = exchange.now()
  if (!exchange.end) await publish({ nonce: name })
  const came = await exchange.until(
    ({ stream }) => stream.messages.some(({ data }) => nonceOf(data) === name),
    SHORT_TIME,
  )
  const at = exchange.end?.at ?? exchange.now()
  exchange.leave()
  return came ? at - sent : null
}

/** Judges delays; null where the stream did not even begin. */
export function checkDelays(delays: Delays | null): Finding {
  if (delays === null)
    return skip('not measured: the stream does not begin while it is open', 'see "buffering"')
  const { sent, arrived, p50, p95, max } = delays
  const details = { sent, arrived, p50, p95, max }
  if (p50 === null || p95 === null || max === null) {
    return fail(`none of ${sent} events arrived while the stream was open`, 'see "buffering"', details)
  }
  const seen = `${arrived} of ${sent} events, p50 ${showTime(p50)}, p95 ${showTime(p95)}, longest ${showTime(max)}`
  if (arrived < sent) return fail(`${seen}; the others did not arrive`, 'see "buffering"', details)
  if (p50 <= REALTIME) return pass(seen, details)
  return warn(
    seen,
    p50 < 400
      ? 'some layer waits before it sends: HAProxy does so by some 40 to 200 ms without "option http-no-delay"'
      : 'look at the way, layer by layer; where wake-ups are lost the app finds events by a sweep each second',
    details,
  )
}

/** Where nothing that was published came by any way. */
export function unheard(key: string): Finding {
  return skip(
    `not known: events of the key "${key}" came neither by the stream nor by a short response`,
    `name the key that the address streams (--publish KEY), and run this on the app's own machine, as its user`,
  )
}

function nonceOf(data: string): string {
  return /"nonce":"([0-9a-f-]+)"/.exec(data)?.[1] ?? ''
}
