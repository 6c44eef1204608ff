import { type Cursor, randomEpoch } from '../event.js'
import { DEFAULT_RETENTION } from '../options.js'
import { appendCollected } from './collect.js'
import type {
  Appended,
  Claim,
  Claimed,
  ClaimRequest,
  Head,
  NewRow,
  Page,
  PayloadEngine,
  PayloadFactory,
  PruneResult,
  ReadRequest,
  Row,
} from './engine.js'
import { createMemoryJournal } from './memory-journal.js'
import { createMemoryLeases } from './memory-leases.js'

/** Milliseconds until what a stream claimed and neither took nor gave back waits again. */
const LEASE = 30_000
/** As in SQLite: marks may fill a quarter of what retention allows. */
const MOST_MARKS = 100_000
const BYTES_PER_MARK = 600

/**
 * Keeps events in this process: for tests, and for apps of one process that may forget at a restart.
 *
 * Obeys the same retention and the same contract as the stores, but shares nothing between processes.
 */
export function memory(): PayloadFactory {
  return createMemory(LEASE)
}

/** The same with another lease than that of `memory()`: tests do not wait so long. */
export function createMemory(lease: number): PayloadFactory {
  return (site) => {
    const retention = { ...DEFAULT_RETENTION, ...site.retention }
    const epoch = randomEpoch()
    const dedupes = new Map<string, number>()
    const leases = createMemoryLeases()
    const pruned = new Map<string, { n: number; kind: Row['kind'] }>()
    const claims = new Map<number, { holder: string; until: number }>()
    let rows: Row[] = []
    /** When each of the rows was stored, as of performance.now(): its age, whatever the clock says. */
    let times: number[] = []
    let bytes = 0
    let seq = 0
    let pruneAt = 1000
    let floor = 0

    function head(): Head {
      return { epoch, n: seq, start: 0 }
    }

    function store(row: NewRow): { n: number; stored: boolean } {
      if (!leases.admit(row)) return { n: 0, stored: false }
      const name = row.dedupe === null ? null : JSON.stringify([row.key, row.dedupe])
      const taken = name === null ? undefined : dedupes.get(name)
      if (taken !== undefined) return { n: taken, stored: false }
      seq += 1
      const { key, event, payload, kind } = row
      rows.push({ n: seq, key, event, payload, kind, createdAt: Date.now() })
      times.push(performance.now())
      bytes += size(payload)
      if (name !== null) dedupes.set(name, seq)
      return { n: seq, stored: true }
    }

    async function append(added: readonly NewRow[]): Promise<Appended> {
      const stored = added.map(store)
      if (stored.some((row) => row.stored)) site.onCommit({ epoch, n: seq })
      // Looking at every row for each new one would cost more than the rows: look once per tenth of growth.
      if (rows.length > pruneAt || bytes > retention.maxBytes * 1.1) {
        prune()
        pruneAt = Math.max(1000, rows.length * 1.1)
      }
      return { epoch, rows: stored }
    }

    function prune(): PruneResult {
      const deleted = remove(beyond(rows, times, retention, bytes))
      foldMarks()
      return { deleted, ran: true }
    }

    /** Keys that are used once leave a mark each: the oldest of too many become one floor for all keys. */
    function foldMarks(): void {
      const most = Math.min(MOST_MARKS, Math.floor(retention.maxBytes / BYTES_PER_MARK))
      for (const [key, { n }] of pruned) {
        if (pruned.size <= most) return
        floor = Math.max(floor, n)
        pruned.delete(key)
      }
    }

    /** The newest mark is the last one. */
    function mark({ key, n, kind }: Row): void {
      if (n <= (pruned.get(key)?.n ?? 0)) return
      pruned.delete(key)
      pruned.set(key, { n, kind })
    }

    function remove(doomed: ReadonlySet<number>): number {
      for (const row of rows) {
        if (doomed.has(row.n)) {
          mark(row)
          bytes -= size(row.payload)
        }
      }
      times = times.filter((_, i) => !doomed.has((rows[i] as Row).n))
      rows = rows.filter((row) => !doomed.has(row.n))
      for (const [name, n] of dedupes) if (doomed.has(n)) dedupes.delete(name)
      for (const n of doomed) claims.delete(n)
      return doomed.size
    }

    function claim({ keys, holder, count }: ClaimRequest): Claimed {
      const now = performance.now()
      const all = rows.filter((row) => row.kind === 'event' && keys.includes(row.key))
      const free = all.filter((row) => (claims.get(row.n)?.until ?? 0) <= now).slice(0, count)
      for (const row of free) claims.set(row.n, { holder, until: now + lease })
      const ends = all.length > 0 ? null : ended(keys, seq)
      const over = ends?.size === keys.length ? ends : null
      return { epoch, rows: free, left: all.length > free.length, over }
    }

    /** The numbers of the claims that still hold, which end with this. */
    function endClaims(given: readonly Claim[]): Set<number> {
      const held = given.filter(({ n, holder }) => claims.get(n)?.holder === holder)
      for (const { n } of held) claims.delete(n)
      return new Set(held.map(({ n }) => n))
    }

    function read(request: ReadRequest): Page {
      const from = request.after.epoch === epoch ? request.after.n : 0
      const marks = new Map<string, number>()
      for (const key of request.keys) {
        const mark = pruned.get(key)?.n ?? 0
        if (mark > from) marks.set(key, mark)
      }
      const page = { head: head(), from, pruned: marks, floor }
      if (request.after.epoch !== epoch) return { ...page, to: 0, rows: [] }
      const found: Row[] = []
      let room = request.maxBytes
      for (let i = firstAfter(rows, from); i < rows.length; i += 1) {
        const row = rows[i] as Row
        if (!request.keys.has(row.key)) continue
        if (found.length >= request.maxRows || room <= 0) {
          return { ...page, to: (found.at(-1) as Row).n, rows: found }
        }
        found.push(row)
        room -= row.payload.length
      }
      return { ...page, to: Math.max(from, seq), rows: found }
    }

    function ended(keys: readonly string[], n: number): Map<string, number> {
      const newest = new Map<string, Cursor['n']>()
      for (const key of keys) {
        const row = rows.findLast((candidate) => candidate.key === key && candidate.n <= n)
        const mark = pruned.get(key)
        // What came after the end may have been taken out of a mailbox.
        const last = mark && mark.n <= n && mark.n > (row?.n ?? 0) ? mark : row
        if (last?.kind === 'end') newest.set(key, last.n)
      }
      return newest
    }

    function before(keys: readonly string[], count: number): number {
      const wanted = new Set(keys)
      let left = count
      for (let i = rows.length - 1; i >= 0; i -= 1) {
        const row = rows[i] as Row
        if (row.kind !== 'event' || !wanted.has(row.key)) continue
        left -= 1
        if (left <= 0) return row.n - 1
      }
      return 0
    }

    const engine: PayloadEngine = {
      name: 'memory',
      commitsOnCall: true,
      shared: false,
      mailbox: {
        lease,
        claim: async (request) => claim(request),
        taken: async (given) => void remove(endClaims(given)),
        giveBack: async (given) => void endClaims(given),
      },
      append,
      transaction: (work) => appendCollected(append, work),
      head: async () => head(),
      read: async (request) => read(request),
      ended: async (keys, n) => ended(keys, n),
      before: async (keys, count) => before(keys, count),
      prune: async () => prune(),
      leases,
      journal: createMemoryJournal(() => rows, head),
      stats: async () => ({
        engine: 'memory',
        epoch,
        head: seq,
        rows: rows.length,
        keys: new Set(rows.map((row) => row.key)).size,
        bytes,
        retention,
        place: 'this process',
      }),
      close: async () => {},
    }
    return engine
  }
}

/** The row numbers that retention no longer keeps. */
function beyond(
  rows: readonly Row[],
  times: readonly number[],
  retention: typeof DEFAULT_RETENTION,
  bytes: number,
): Set<number> {
  const doomed = new Set<number>()
  const oldest = performance.now() - retention.maxAge
  const perKey = new Map<string, number>()
  for (let i = rows.length - 1; i >= 0; i -= 1) {
    const { n, key } = rows[i] as Row
    const count = (perKey.get(key) ?? 0) + 1
    perKey.set(key, count)
    if (count > retention.maxPerKey || (times[i] as number) < oldest) doomed.add(n)
  }
  let left = bytes
  for (const row of rows) {
    if (doomed.has(row.n)) left -= size(row.payload)
  }
  for (const row of rows) {
    if (left <= retention.maxBytes) break
    if (doomed.has(row.n)) continue
    doomed.add(row.n)
    left -= size(row.payload)
  }
  return doomed
}

function firstAfter(rows: readonly Row[], n: number): number {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rows[middle] as Row).n <= n) low = middle + 1
    else high = middle
  }
  return low
}

/** What a row weighs: its text as UTF-16, and about 100 bytes around it. */
function size(payload: string): number {
  return payload.length * 2 + 100
}
