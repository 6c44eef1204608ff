import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { quote } from '../../errors.js'
import { type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import type { Exchange } from './exchange.js'
import type { Heard } from './hearing.js'
import { ask, type Client } from './probe.js'
import { newestId } from './ready.js'
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
/** A key with as many events of others is never quiet enough. */
const TRIES = 3
const REALTIME = 30
const ENDS = 'something ends streams within seconds: a short "duration", a restart, a limit'

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

/** What became of events that were published for a short response. */
export interface ShortDelay {
  readonly sent: number
  /** From signal() to the whole answer; null where it did not come. */
  readonly delay: number | null
}

/**
 * Waits in a short response that goes on after `cursor`, and publishes into it. An event of others ends the
 * response as well: then the next one goes on after that.
 */
export async function measureShort(
  client: Client,
  target: Target,
  cursor: string,
  publish: Publish,
): Promise<ShortDelay> {
  const short = withQuery(target, 'mode', 'short')
  let sent = 0
  for (let i = 0, after = cursor; i < TRIES; i += 1) {
    const { exchange, connected } = await ask(client, short, { lastEventId: after })
    // The request is to be waiting there before the event is.
    await exchange.until(() => false, 50 + 3 * connected.tcp)
    const name = randomBytes(8).toString('hex')
    const began = exchange.now()
    if (!exchange.end) {
      await publish({ nonce: name })
      sent += 1
    }
    const came = await exchange.until(
      ({ stream }) => stream.messages.some(({ data }) => nonceOf(data) === name),
      SHORT_TIME,
    )
    const at = exchange.end?.at ?? exchange.now()
    const newest = newestId(exchange)
    exchange.leave()
    if (came) return { sent, delay: at - began }
    if (newest === null || newest === after) break
    after = newest
  }
  return { sent, delay: null }
}

/** Judges delays; null where the stream did not even begin. `isEnded`: the server's side has ended it meanwhile. */
export function checkDelays(delays: Delays | null, isEnded: boolean): Finding {
  if (delays === null)
    return skip('not measured: the stream does not begin while it is open', 'see "buffering"')
  const { sent, arrived, p50, p95, max } = delays
  const details = { sent, arrived, p50, p95, max }
  if (p50 === null || p95 === null || max === null) {
    if (isEnded) return fail(`none of ${sent} events arrived: the stream ended`, ENDS, details)
    return fail(`none of ${sent} events arrived while the stream was open`, 'see "buffering"', details)
  }
  const seen = `${arrived} of ${sent} events, p50 ${showTime(p50)}, p95 ${showTime(p95)}, longest ${showTime(max)}`
  if (arrived < sent && isEnded) return warn(`${seen}; then the stream ended`, ENDS, details)
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

/** Where nothing came by any way; `isOther` tells that the address reads another store. */
export function unheard(key: string, { sent, ended }: Heard, isOther: boolean): Finding {
  const details = { sent }
  if (ended === 'done') {
    return fail(
      `not measured: the key has ended, and an event would open it again`,
      'signal the key, or name another stream',
      details,
    )
  }
  if (isOther) {
    return fail(
      `none of ${sent} events arrived: the address reads another store than the one published to`,
      'see "same store"; run this as the user and in the project of the app, or without --publish',
      details,
    )
  }
  if (sent === 0) {
    return fail(
      'not measured: neither the stream nor a short response waited for an event, so none was published',
      'see "buffering"; a key with several events a second is measured without --publish',
      details,
    )
  }
  return fail(
    `none of ${sent} events of the key ${quote(key)} arrived, neither by the stream nor by a short response`,
    `name the key that the address streams (--publish KEY), and run this on the app's own machine, as its user`,
    details,
  )
}

function nonceOf(data: string): string {
  return /"nonce":"([0-9a-f-]+)"/.exec(data)?.[1] ?? ''
}
