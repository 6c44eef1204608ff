import type { ErrorCode } from '../errors.js'
import type { Cursor, Hint } from '../event.js'
import type { Retention } from '../options.js'

/**
 * The contract of a payload engine: where events are kept.
 *
 * It is written so that a server can stand behind it. Every call returns a promise; an engine that
 * can answer at once (SQLite, memory) has done its work before it returns that promise, and callers
 * may rely on that of `append` where `commitsOnCall` is true.
 *
 * What every engine owes its readers:
 * - Row numbers rise in commit order, are never reused, and are safe integers from 1.
 * - A row that `append` acknowledged is seen by every `read` that begins afterwards, in any process.
 * - A store that was replaced, restored or cut back calls itself by a new `epoch`.
 * - Rows leave it only by `prune` and `mailbox.taken`, and what left is told by `Page.pruned` and `Page.floor`.
 */
export interface PayloadEngine {
  readonly name: string
  /** True where a free store has committed before `append` returns its promise. */
  readonly commitsOnCall: boolean
  /** True where other processes see the same rows, so that they must be woken. */
  readonly shared: boolean
  /** For looking at what is stored, whatever its key, in engines that can. */
  readonly journal?: Journal
  /** For streams that share their events out, in engines that can. */
  readonly mailbox?: Mailbox
  /**
   * Stores rows in order, all or none. Resolves with one entry per row. A row whose `dedupe` is
   * taken is not stored: its entry carries the earlier row's number and `stored: false`. Nor is one with a
   * `lease` that is not held any more; its number is 0. An end without a `lease` takes away whatever lease its key has.
   * Rejects with STORE_BUSY, STORE_FULL, STORE_UNWRITABLE, STORE_FOREIGN, STORE_NEWER or STORE_FAILED.
   */
  append(rows: readonly NewRow[]): Promise<Appended>
  /**
   * An ability that an engine may have: stores the rows that `work` appends all or none, and together with what
   * `work` does in the same database. `work` is synchronous and runs once: at once, or when it is its turn.
   *
   * Resolves with an entry per row, null for one that `work` has taken back (by a savepoint of its own). Rejects
   * with what `work` threw, with TRANSACTION_OPEN or TRANSACTION_ENDED, or as `append` does.
   */
  transaction?(work: Work): Promise<Transacted>
  /** Where the store stands now. */
  head(): Promise<Head>
  /** One page of the rows of `keys` after a cursor, from a single snapshot. */
  read(request: ReadRequest): Promise<Page>
  /** Of `keys`, those whose newest row at or below `n` is or was an end, with that row's number. */
  ended(keys: readonly string[], n: number): Promise<ReadonlyMap<string, number>>
  /** The row number before the `count`-th newest event of `keys`; 0 where there are no more than that. */
  before(keys: readonly string[], count: number): Promise<number>
  /** Deletes what retention no longer keeps, in small batches; resolves with what was done. */
  prune(onProgress?: (progress: PruneResult) => void): Promise<PruneResult>
  stats(): Promise<PayloadStats>
  /** For `writer()`, in engines that can: one writer to a key, noticed when it dies. */
  readonly leases?: Leases
  /** Finishes waiting appends and lets go of everything. Idempotent. */
  close(): Promise<void>
}

/** A row to store; `payload` is JSON text. */
export interface NewRow {
  readonly key: string
  readonly event: string | null
  readonly payload: string
  readonly kind: RowKind
  readonly dedupe: string | null
  /** Stored only while this lease is held, which an event prolongs and an end gives back, in the same transaction. */
  readonly lease?: LeaseCondition
}

/** The right to write to a key, as long as it is renewed. `holder` names who has it. */
export interface Lease {
  readonly key: string
  readonly holder: string
}

/** `lasts` is by how many milliseconds from now an event prolongs it; with `ifOver` its time must have run out. */
export interface LeaseCondition {
  readonly holder: string
  readonly lasts: number
  readonly ifOver?: boolean
}

/** Leases of keys; one that is over stays in the store until it is ended, so that this happens once. */
export interface Leases {
  /** Takes the lease of a key for `lasts` milliseconds. False where there is one, be it over or not. */
  take(key: string, holder: string, lasts: number): Promise<boolean>
  /** Prolongs a lease to `lasts` milliseconds from now. False where it is not held any more. */
  renew(key: string, holder: string, lasts: number): Promise<boolean>
  /** Those that are over. Asked at every sweep and connect, so it must be as cheap as an empty read. */
  overdue(): Promise<readonly Lease[]>
}

/** `event` is something to send; `end` marks the key as ended until the next event. */
export type RowKind = 'event' | 'end'

/** A stored row; `payload` is the JSON text as it was stored, `createdAt` milliseconds since 1970. */
export interface Row {
  readonly n: number
  readonly key: string
  readonly event: string | null
  readonly payload: string
  readonly kind: RowKind
  readonly createdAt: number
}

/** What `append` acknowledges: the epoch, and per row its number and whether it was stored just now. */
export interface Appended {
  readonly epoch: string
  readonly rows: readonly { readonly n: number; readonly stored: boolean }[]
}

/** What a transaction does; it calls `append` as often as it likes, until it returns. */
export type Work = (append: (rows: readonly NewRow[]) => void) => void

/** As `Appended`, for a transaction. */
export interface Transacted {
  readonly epoch: string
  readonly rows: readonly (Appended['rows'][number] | null)[]
}

/** `n` is the newest row number ever given out; `start` the one at which this epoch began. */
export interface Head extends Cursor {
  readonly start: number
}

export interface ReadRequest {
  /** Rows after this cursor. With another epoch than the store's the page is empty and ends at `head.start`. */
  readonly after: Cursor
  /** Never changed once it was given: engines may remember what they make of it. */
  readonly keys: ReadonlySet<string>
  /** At most this many rows, and no further row once this many bytes of payload are in the page. */
  readonly maxRows: number
  readonly maxBytes: number
}

/** All rows of the asked keys in the range (from, to]. */
export interface Page {
  readonly head: Head
  readonly from: number
  readonly to: number
  readonly rows: readonly Row[]
  /** Per asked key its newest pruned row number, where that is above `from`. */
  readonly pruned: ReadonlyMap<string, number>
  /** Rows of any key up to this number may have been pruned without a mark of their own. */
  readonly floor: number
}

/** What is newest in a store. Asked often while somebody looks, so it takes no longer than a page. */
export interface Journal {
  /** The newest rows of all keys, oldest first. */
  read(request: JournalRequest): Promise<JournalPage>
  /** The keys with the most rows among the newest 10,000, at most `limit`, those with the most first. */
  keys(request: { readonly limit: number }): Promise<readonly JournalKey[]>
}

export interface JournalRequest {
  /** Rows after this cursor; null, or one of another epoch, for none. */
  readonly after: Cursor | null
  /** At most this many rows, the newest ones. */
  readonly maxRows: number
  /** Payloads are cut where they are longer, as UTF-8. */
  readonly payloadBytes: number
}

export interface JournalPage {
  readonly head: Head
  readonly rows: readonly JournalRow[]
  /** True where the cursor's own epoch holds and rows after it are not in the page: there were more than `maxRows`. */
  readonly skipped: boolean
}

/** A row whose payload may be cut; `bytes` is its whole length, as UTF-8. */
export interface JournalRow extends Row {
  readonly bytes: number
}

/** `rows` counts those among the newest 10,000 of all keys, `newest` and `createdAt` are of the last one. */
export interface JournalKey {
  readonly key: string
  readonly rows: number
  readonly newest: number
  readonly createdAt: number
}

/**
 * What an engine may be able to do beside: each event of some keys goes to one holder, over all processes, and leaves
 * the store once it was taken.
 */
export interface Mailbox {
  /** Milliseconds after which a claim that was neither taken nor given back is void, for its holder may be dead. */
  readonly lease: number
  /** Claims the oldest events that nobody holds, in one transaction. Cheap where there are none. */
  claim(request: ClaimRequest): Promise<Claimed>
  /** Deletes the events of those claims that still hold. */
  taken(claims: readonly Claim[]): Promise<void>
  /** Ends those claims that still hold: their events can be claimed again at once. */
  giveBack(claims: readonly Claim[]): Promise<void>
}

/** One event that is held. */
export interface Claim {
  readonly n: number
  readonly holder: string
}

/** At most `count` events, each once; a holder's name is used for one request only. With a count of 0 nothing is claimed. */
export interface ClaimRequest {
  readonly keys: readonly string[]
  readonly holder: string
  readonly count: number
}

/** What was claimed, oldest first, and how its keys stand then, from the same snapshot. */
export interface Claimed {
  readonly epoch: string
  readonly rows: readonly Row[]
  /** True where the store has more events of the keys, waiting or held by others. */
  readonly left: boolean
  /** Where every key has ended and the store has no event of them: each key's end, as `ended` tells it. Else null. */
  readonly over: ReadonlyMap<string, number> | null
}

export interface PruneResult {
  /** Rows deleted so far. */
  readonly deleted: number
  /** False where another process was pruning, so that nothing was done here. */
  readonly ran: boolean
}

export interface PayloadStats {
  readonly engine: string
  readonly epoch: string
  readonly head: number
  readonly rows: number
  readonly keys: number
  /** Bytes in use, and the retention that is obeyed. */
  readonly bytes: number
  readonly retention: Retention
  /** What that takes on the disk, for engines that keep files. */
  readonly disk?: DiskUse
  /** Where the data lies: a path or an address without secrets. */
  readonly place: string
  /** The library underneath, for engines that choose one. */
  readonly driver?: DriverStats
}

/** Bytes on the disk: the file, the -wal beside it, and damaged stores that were set aside. */
export interface DiskUse {
  readonly file: number
  readonly wal: number
  readonly aside: number
}

/** `reason` says why it is not the engine's first choice, null where it is. */
export interface DriverStats {
  readonly name: string
  readonly version: string
  readonly reason: string | null
}

/** What an engine is given when an instance puts it to work. */
export interface PayloadSite {
  /** The folder and file of the store, for engines that keep files. Throws ROOT_UNKNOWN. */
  readonly database: () => string
  readonly mode: number
  readonly group: string | number | null
  /** The project folder that its files lie in, which is never made again; null where there is none. */
  readonly root?: string | null
  /** Retention as given explicitly, or null to obey what the store remembers. */
  readonly retention: Partial<Retention> | null
  /** The newest row that the signal engine knows of: a store whose head is below it was restored. */
  readonly newestSignal: () => Hint | null
  /**
   * To be called once after each commit that stored something, with its newest row, as early as possible:
   * it wakes the readers. It is a hint, so it may come before the engine has made sure of anything else.
   */
  readonly onCommit: (head: Cursor) => void
  readonly report: (error: unknown) => void
  /** What was reported under this code works again; for those who look at `stats()`. */
  readonly recovered?: ((code: ErrorCode) => void) | undefined
}

/** What `createFileSignal({ payload })` takes. It opens nothing until the engine is first used. */
export interface PayloadFactory {
  (site: PayloadSite): PayloadEngine
  /** The store's path where the factory itself was given one: the signal file is named after it. */
  readonly database?: string
}
