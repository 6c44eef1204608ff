import { until } from '../support/wait.js'
import type { Cell, RunningCell } from './cell.js'
import { type Fault, late, wrong } from './fault.js'
import { type Listener, listen } from './listener.js'
import type { Publisher } from './publisher.js'

/** What was measured of one cell; times in milliseconds, null for what did not happen. */
export interface Delivery {
  readonly status: number | null
  readonly encoding: string
  readonly firstByte: number | null
  /** Events that came, of those that were awaited, and whether in order and once each. */
  readonly count: number
  readonly inOrder: boolean
  readonly p50: number | null
  readonly p95: number | null
  readonly max: number | null
  /** Events that came at once to a client that was back after the first one, of those that it had missed. */
  readonly replayed: number
  readonly missed: number
  /** From the client's leaving to 'close' in Node, while events go on being published; null for not seen. */
  readonly left: number | null
}

export const EVENTS = 40
export const GAP = 50

/** How long a stream may take to begin before it counts as held back, and how long its end is awaited. */
const BEGIN = 1000
const LEAVING = 2000

/** How long events are awaited that are held back, and those that must come: a late one is no missing one. */
const MORE = 1000
const PATIENCE = 15_000

/** Median delays: of a server that waits for a full buffer, which 40 events may just fill, and of one that dawdles. */
const HELD = 500
const LATE = 40

/** What is said of a cell, and measured. */
type Expected = Pick<Cell, 'expects' | 'holdsReplay'>

let keys = 0
/** A key that no other measurement uses. */
export function newKey(what: string): string {
  keys += 1
  return `${what}-${keys}`
}

/**
 * Opens a stream, has EVENTS events published GAP apart by another process, and leaves while it publishes on.
 * Where the first came, it is back with that one's id, which brings all others at once.
 */
export async function measureDelivery(
  cell: Expected,
  running: RunningCell,
  publisher: Publisher,
): Promise<Delivery> {
  const key = newKey('delivery')
  const listener = listen(running.streamUrl(key), { ca: running.ca })
  await until(() => listener.isReady || listener.isOver, 'ready', BEGIN).catch(() => {})
  // Where the stream is held back on the way out, it is open in the app all the same.
  await until(async () => (await running.openStreams(key)) === 1, 'the app to hold the stream').catch(
    () => {},
  )
  const stopPublishing = publisher.keepOn(running.root, key, GAP)
  const patience = cell.expects === 'buffers' ? MORE : PATIENCE
  await until(() => listener.events.length >= EVENTS, 'all events', EVENTS * GAP + patience).catch(() => {})
  const left = await leave(listener, running, key)
  const published = await stopPublishing()
  const first = listener.events[0]

  const events = listener.events.slice(0, EVENTS)
  const delays = events.map(({ delay }) => delay).sort((a, b) => a - b)
  return {
    status: listener.status,
    encoding: listener.headers['content-encoding'] ?? 'identity',
    firstByte: listener.firstByte,
    count: events.length,
    inOrder: events.every(({ i }, place) => i === place),
    p50: percentile(delays, 0.5),
    p95: percentile(delays, 0.95),
    max: delays.at(-1) ?? null,
    left,
    replayed: first ? await replay(cell, running, key, first.id, published - 1) : 0,
    missed: published - 1,
  }
}

async function replay(
  cell: Expected,
  running: RunningCell,
  key: string,
  after: string,
  missed: number,
): Promise<number> {
  const listener = listen(running.streamUrl(key), { ca: running.ca, headers: { 'last-event-id': after } })
  const patience = cell.holdsReplay || cell.expects === 'buffers' ? MORE : PATIENCE
  await until(() => listener.events.length >= missed, 'what was missed', patience).catch(() => {})
  listener.leave()
  return listener.events.filter(({ i }, place) => i === place + 1).length
}

/** The value that a share of all does not exceed (nearest rank); null of nothing. */
export function percentile(sorted: readonly number[], share: number): number | null {
  return sorted[Math.ceil(sorted.length * share) - 1] ?? null
}

async function leave(listener: Listener, running: RunningCell, key: string): Promise<number | null> {
  const begun = performance.now()
  listener.leave()
  try {
    await until(async () => (await running.openStreams(key)) === 0, 'Node to see the client leave', LEAVING)
    return performance.now() - begun
  } catch {
    return null
  }
}

/** What is wrong with the figures of a cell; null where nothing is. */
export function faultOf(cell: Expected, figures: Delivery): Fault | null {
  const { count, inOrder, p50, p95, firstByte, replayed, missed } = figures
  // What comes in a lump comes whole, too.
  if (!inOrder) return wrong(`${count} of ${EVENTS} events came, not each once and in order`)
  if (cell.expects === 'buffers') {
    const isHeld = p50 === null || p50 >= HELD
    return isHeld
      ? null
      : wrong(`it was to hold events back, and handed on ${count} with a p50 of ${p50.toFixed(1)} ms`)
  }
  if (count !== EVENTS) return wrong(`${count} of ${EVENTS} events came`)
  if (cell.holdsReplay && replayed > 0)
    return wrong(`it was to hold a replay back, and handed on ${replayed} of ${missed}`)
  if (!cell.holdsReplay && replayed < missed) return wrong(`${replayed} of ${missed} missed events came`)
  if (figures.left === null) return wrong(`Node did not see the client leave within ${LEAVING} ms`)
  if (p50 === null || p95 === null || firstByte === null) return wrong('no time was taken')
  if (cell.expects === 'delays') {
    if (p50 < LATE) return wrong(`it was to delay events, and p50 is ${p50.toFixed(1)} ms`)
    return p50 < HELD ? null : late(`p50 is ${p50.toFixed(1)} ms, not below ${HELD}`)
  }
  if (p95 >= LIMITS.p95) return late(`p95 is ${p95.toFixed(1)} ms, not below ${LIMITS.p95}`)
  return firstByte < LIMITS.firstByte
    ? null
    : late(`the first byte came after ${firstByte.toFixed(0)} ms, not below ${LIMITS.firstByte}`)
}

export const LIMITS = { p95: 15, firstByte: 100, short: 50 } as const
