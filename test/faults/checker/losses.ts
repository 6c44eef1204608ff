import type { Acknowledged, Entry } from '../record.js'
import type { Stretch } from './stretches.js'
import { split, type Violation } from './violation.js'

/** Milliseconds, counted while the reader was connected, within which a reset has to tell of a loss. */
const SOON = 25_000

/**
 * What was acknowledged, is of the reader's keys, and never came, though no reset covers it.
 *
 * A reset covers what was published before it came: an event whose call began after that has to arrive, or to be
 * covered by another one. Between two deliveries of one stretch nothing is missing, whatever comes later.
 */
export function lossesOf(
  reader: string,
  acked: readonly Acknowledged[],
  stretches: readonly Stretch[],
  entries: readonly Entry[],
): Violation[] {
  const ids = new Set(stretches.flatMap(({ got }) => got.map(({ id }) => id)))
  const nonces = new Set(stretches.flatMap(({ got }) => got.map(({ nonce }) => nonce)))
  const violations: Violation[] = []
  for (const event of acked) {
    // A retry with dedupe may have stored the event anew in another store: once it came, it came.
    if (ids.has(event.id) || nonces.has(event.nonce)) continue
    const why = missing(event, stretches) ?? late(event, stretches, reader, entries)
    if (why) {
      const what = `never got ${event.id} (${event.nonce} on ${event.key}, by ${event.by}): ${why[1]}`
      violations.push({ rule: why[0], t: event.t, who: reader, what, id: event.id })
    }
  }
  return violations
}

type Why = [Violation['rule'], string] | null

function missing(event: Acknowledged, stretches: readonly Stretch[]): Why {
  const { epoch, n } = split(event.id)
  const first = stretches[0]
  if (!first) return ['lost', 'it was never given a place']
  for (const stretch of stretches) {
    if (stretch.epoch !== epoch) continue
    if (n <= stretch.floor && event.began > stretch.from) {
      return ['lost', `it had been given the place ${epoch}-${stretch.floor} before that was published`]
    }
    if (n <= stretch.floor) continue
    if (n < stretch.top) return ['lost', `it went on to ${epoch}-${stretch.top} without it`]
    if (stretch.to === null) return ['lost', 'nothing came after it, and no reset']
  }
  return null
}

/** A reset that comes long afterwards, for another reason, is no word about this event. */
function late(
  event: Acknowledged,
  stretches: readonly Stretch[],
  reader: string,
  entries: readonly Entry[],
): Why {
  const told = stretches.find(({ from }) => from > event.began)
  if (!told) return ['no-reset', 'no reset came after it was published']
  if (told.from - event.t < SOON) return null
  const heard = hearing(reader, entries, event.t, told.from)
  return heard < SOON
    ? null
    : ['late-reset', `the next reset came ${Math.round(heard)} ms of listening later`]
}

/** Milliseconds between two moments in which the reader listened. */
function hearing(reader: string, entries: readonly Entry[], from: number, to: number): number {
  let sum = 0
  let since: number | null = null
  for (const entry of entries) {
    if (!('reader' in entry) || entry.reader !== reader) continue
    if (entry.type === 'open') since ??= entry.t
    if (entry.type === 'gone' && since !== null) {
      sum += Math.max(0, Math.min(entry.t, to) - Math.max(since, from))
      since = null
    }
  }
  return since === null ? sum : sum + Math.max(0, to - Math.max(since, from))
}
