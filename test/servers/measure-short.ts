import { until } from '../support/wait.js'
import type { RunningCell } from './cell.js'
import { type Fault, late, wrong } from './fault.js'
import { type Listener, listen } from './listener.js'
import { LIMITS, newKey } from './measure.js'
import type { Publisher } from './publisher.js'

/** Short responses through one cell; times in milliseconds. */
export interface ShortDelivery {
  /** From signal() to the client, one for each event of a held request. */
  readonly delays: readonly number[]
  /** Events that were published between two requests, and came with the next one. */
  readonly missed: number
  /** Whether all of them came in order and once each. */
  readonly inOrder: boolean
  /** How long the request without a cursor took. */
  readonly first: number
}

const ROUNDS = 6
const MISSED = 2

/** Asks for `?mode=short` again and again, as a client does, while another process publishes. */
export async function measureShort(running: RunningCell, publisher: Publisher): Promise<ShortDelivery> {
  const key = newKey('short')
  const ask = (after: string | null): Listener =>
    listen(`${running.streamUrl(key)}?mode=short`, {
      ca: running.ca,
      headers: after === null ? {} : { 'last-event-id': after },
    })

  const begun = performance.now()
  const opening = ask(null)
  await until(() => opening.isReady && opening.isOver, `the first cursor; ${tell(opening)}`)
  const first = performance.now() - begun

  let cursor = opening.lastId
  const delays: number[] = []
  const seen: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const held = ask(cursor)
    await until(async () => (await running.openStreams(key)) === 1, 'the app to hold the request')
    await publisher.once(running.root, key)
    await until(() => held.isOver, `the end of a short response; ${tell(held)}`)
    for (const { delay, i } of held.events) {
      delays.push(delay)
      seen.push(i)
    }
    cursor = held.lastId ?? cursor
  }
  for (let n = 0; n < MISSED; n += 1) await publisher.once(running.root, key)
  const after = ask(cursor)
  await until(() => after.isOver, `what was missed; ${tell(after)}`)
  for (const { i } of after.events) seen.push(i)
  return { delays, missed: after.events.length, inOrder: seen.every((i, place) => i === place), first }
}

/** What is wrong with short responses through a cell; null where nothing is. */
export function shortFaultOf({ delays, missed, inOrder }: ShortDelivery): Fault | null {
  if (delays.length !== ROUNDS) return wrong(`${delays.length} of ${ROUNDS} events came`)
  if (missed !== MISSED)
    return wrong(`${missed} of ${MISSED} events came that were published between two requests`)
  if (!inOrder) return wrong('events came, not each once and in order')
  const worst = Math.max(...delays)
  return worst <= LIMITS.short
    ? null
    : late(`an event took ${worst.toFixed(1)} ms, more than ${LIMITS.short}`)
}

function tell({ status, text }: Listener): string {
  return `so far status ${status} and ${JSON.stringify(text.slice(0, 200))}`
}
