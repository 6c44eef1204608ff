import type { Entry, Heard } from '../record.js'
import { split, type Violation } from './violation.js'

export type Got = Extract<Heard, { type: 'got' }>

/** What one reader heard from one place on: from its first `ready`, or from a reset, up to the next reset. */
export interface Stretch {
  epoch: string
  /** Events after this number are due. */
  floor: number
  from: number
  /** When the reset came that ends it; null for the last one. */
  to: number | null
  got: Got[]
  /** The highest number that was delivered in it. */
  top: number
  /** By id and by nonce. */
  seen: Map<string, Got>
}

/**
 * Ids under which an event was stored once more: its publisher called again with the same dedupe key, after a fault that
 * may have taken the first row away, and the key with it.
 */
export function storedAgain(entries: readonly Entry[]): Set<string> {
  const first = new Map<string, string>()
  const again = new Set<string>()
  const lossy = new Set<number>()
  /** The events that were acknowledged before such a fault was over. */
  let exposed = new Set<string>()
  for (const entry of entries) {
    if (entry.type === 'action' && entry.lossy) lossy.add(entry.index)
    if ('index' in entry && lossy.has(entry.index)) exposed = new Set(first.keys())
    if (entry.type !== 'acked') continue
    const id = first.get(entry.nonce)
    if (id === undefined) first.set(entry.nonce, entry.id)
    else if (id !== entry.id && exposed.has(entry.nonce)) again.add(entry.id)
  }
  return again
}

/** The stretches of a reader, and what is wrong inside them: order, doubles, and epochs that change in silence. */
export function stretchesOf(
  reader: string,
  entries: readonly Entry[],
  again: ReadonlySet<string>,
): [Stretch[], Violation[]] {
  const stretches: Stretch[] = []
  const violations: Violation[] = []
  let current: Stretch | null = null
  const begin = (id: string, t: number) => {
    if (current) current.to = t
    const { epoch, n } = split(id)
    current = { epoch, floor: n, from: t, to: null, got: [], top: n, seen: new Map() }
    stretches.push(current)
  }
  for (const entry of entries) {
    if (!('reader' in entry) || entry.reader !== reader) continue
    if (entry.type === 'ready' && !current && entry.id !== null) begin(entry.id, entry.t)
    if (entry.type === 'reset') begin(entry.id, entry.t)
    if (entry.type !== 'got') continue
    // A delivery before any place: what a client without a cursor can only get after `ready`.
    if (!current) begin(`${split(entry.id).epoch}-0`, entry.t)
    violations.push(...add(current as unknown as Stretch, entry, again))
  }
  return [stretches, violations]
}

function add(stretch: Stretch, got: Got, again: ReadonlySet<string>): Violation[] {
  const { epoch, n } = split(got.id)
  const violation = (rule: Violation['rule'], what: string) => [
    { rule, t: got.t, who: got.reader, what, id: got.id },
  ]
  const twin = stretch.seen.get(got.id) ?? (again.has(got.id) ? undefined : stretch.seen.get(got.nonce))
  const last = stretch.got.at(-1)
  stretch.got.push(got)
  stretch.seen.set(got.id, got).set(got.nonce, got)
  if (twin)
    return violation(
      'doubled',
      `got ${got.id} (${got.nonce}) after ${twin.id} (${twin.nonce}), without a reset`,
    )
  if (epoch !== stretch.epoch) {
    return violation('no-reset', `got ${got.id} while it stood in epoch ${stretch.epoch}, without a reset`)
  }
  if (n <= stretch.top) {
    return violation('order', `got ${got.id} after ${last?.id ?? `its place ${epoch}-${stretch.floor}`}`)
  }
  stretch.top = n
  return []
}
