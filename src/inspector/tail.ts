import { performance } from 'node:perf_hooks'
import { type Cursor, formatId } from '../event.js'
import type { JournalRow, PayloadEngine } from '../payload/engine.js'
import type { RowShown, TailShown } from './shown.js'

/** The newest rows of the store, for all pages that look at them together. */
export interface Tail {
  /** A callback for `streamFrom()`: what came since the last call, null for nothing. */
  readonly ask: () => Promise<TailShown | null>
  /** Somebody new looks: answers begin further back for a while. Pages know rows by their ids. */
  greet(): void
}

/** Rows of one answer. More than that in a quarter of a second nobody reads. */
const ROWS = 100
/** Bytes of a payload that are shown. */
const PAYLOAD = 240

/** Milliseconds in which a new tab has found the others whose connection it shares. */
const GREETING = 1000

const UNABLE: TailShown = Object.freeze({ able: false, rows: [], skipped: 0 })

export function createTail(payload: () => PayloadEngine): Tail {
  let after: Cursor | null = null
  let newUntil = 0

  async function ask(): Promise<TailShown | null> {
    const { journal } = payload()
    const begins = after === null || performance.now() < newUntil
    if (!journal) return begins ? UNABLE : null
    const before = after
    const request = { after: begins ? null : before, maxRows: ROWS, payloadBytes: PAYLOAD }
    const { head, rows } = await journal.read(request)
    after = { epoch: head.epoch, n: head.n }
    const [oldest] = rows
    if (!oldest && !begins) return null
    const isSame = before?.epoch === head.epoch && rows.length === ROWS
    const skipped = isSame && oldest ? Math.max(0, oldest.n - before.n - 1) : 0
    return { able: true, rows: rows.map((row) => show(head.epoch, row)), skipped }
  }

  return {
    ask,
    greet: () => {
      newUntil = performance.now() + GREETING
    },
  }
}

function show(epoch: string, row: JournalRow): RowShown {
  const { n, key, event, kind, createdAt, payload, bytes } = row
  const isCut = Buffer.byteLength(payload) < bytes
  return { id: formatId(epoch, n), key, event, kind, createdAt, payload, bytes: isCut ? bytes : null }
}
