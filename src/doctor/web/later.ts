import { safely, type Tell } from '../result.js'
import { hasEnded } from './ending.js'
import type { Exchange } from './exchange.js'
import { checkIdle, type OnIdle, watchOpen } from './idle.js'
import type { Opening } from './opening.js'
import { readyOf } from './ready.js'

/** What became of that which follows the beginning; null: it was not waited for, or none was due. `ended`: the stream was, before anything was due. */
export type Later = 'came' | 'missing' | 'in lumps' | 'ended' | null

export interface Waiting {
  readonly idle: number | null
  readonly onIdle: OnIdle
  readonly tell: Tell
}

/** The heartbeat that is waited for without --idle may be due as late as this. */
const LATEST = 17_000
const GRACE = 1500
/** What comes so long after `ready` did not come together with it. */
const APART = 1000
/** A sweep finds an event a second late where its wake-up was lost; what is later than others by more was held. */
const HELD = 1500

/**
 * Waits for what follows the beginning: layers pass on what comes together with the headers, and hold back the
 * rest. Where events have told that already (`isKnown`), or with none to come, it is the first heartbeat.
 */
export async function waitForLater(
  { probe, came }: Opening,
  isKnown: boolean,
  { idle, onIdle, tell }: Waiting,
): Promise<Later> {
  const { exchange } = probe
  const promised = heartbeatOf(exchange)
  if (idle !== null) {
    const watched = async () => {
      await watchOpen(exchange, idle, onIdle)
      return checkIdle(exchange, idle, promised)
    }
    tell('stream', 'idle', await safely(watched))
  }
  if (came !== 'ready') return null
  if (!isLater(exchange)) {
    const due = readyAt(exchange) + (promised ?? Number.POSITIVE_INFINITY) + GRACE
    const isEnded = (): boolean => hasEnded(exchange) && (exchange.end?.at ?? due) < due
    if (isKnown) return null
    if (isEnded()) return 'ended'
    if (due > Math.max(LATEST, idle ?? 0)) return null
    await watchOpen(exchange, due, onIdle, isLater)
    if (isEnded()) return 'ended'
  }
  if (!isLater(exchange)) return 'missing'
  return isInLumps(exchange) ? 'in lumps' : 'came'
}

function isLater(exchange: Exchange): boolean {
  return exchange.last !== null && exchange.last > readyAt(exchange) + APART
}

/** On a busy stream a layer that collects 4 KB passes it on again and again: then some events are much later than others. */
function isInLumps(exchange: Exchange): boolean {
  const after = readyAt(exchange) + APART
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const { at, storedAt } of exchange.stream.messages) {
    if (storedAt === null || at <= after) continue
    least = Math.min(least, at - storedAt)
    most = Math.max(most, at - storedAt)
  }
  return most - least > HELD
}

/** `ready` tells after how many milliseconds of silence a heartbeat follows. */
function heartbeatOf(exchange: Exchange): number | null {
  const found = /"heartbeat":(\d+)/.exec(readyOf(exchange)?.data ?? '')?.[1]
  return found === undefined ? null : Number(found)
}

function readyAt(exchange: Exchange): number {
  return readyOf(exchange)?.at ?? 0
}
