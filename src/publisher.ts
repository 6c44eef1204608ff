import { FileSignalError, quote } from './errors.js'
import { checkDedupe, checkEvent, checkKey, encodePayload, formatId } from './event.js'
import { refuseUnknown } from './option-values.js'
import type { Appended, NewRow, PayloadEngine } from './payload/engine.js'
import { checkReason, encodeEnding } from './reason.js'
import { silence, type Transactions } from './transaction.js'

/** What `signal()` takes beside key and payload. */
export interface SignalOptions {
  /** SSE event name; without one browsers get a plain message. */
  event?: string | null
  /**
   * Stores one row however often it is retried: the first payload of this key and dedupe key wins, as long as its row
   * is kept. In a mailbox that is until a stream has taken it: a retry that comes later is delivered again.
   */
  dedupe?: string | null
}

/** One entry of `signalMany()`; without `payload` null is stored. */
export interface SignalEntry extends SignalOptions {
  key: string
  payload?: unknown
}

/** The stored row: its id, and false in `stored` where `dedupe` found an earlier one. */
export interface Receipt {
  readonly id: string
  readonly stored: boolean
}

/** The beginning of an event's way: validate and store. The payload engine's commit wakes the readers. */
export interface Publisher {
  signal(...call: SignalCall): Promise<Receipt>
  signalMany(entries: readonly SignalEntry[]): Promise<Receipt[]>
  end(key: string, options?: EndOptions): Promise<Receipt>
}

/** What `end()` takes beside the key. */
export interface EndOptions {
  /** Why the key ends otherwise than well: browsers get it in an `end` event before `[DONE]`. 1 to 200 characters. */
  reason?: string | null
}

/** Arguments of `signal()`: a payload that is left out is null, one that is undefined is refused. */
export type SignalCall = [key: string, payload?: unknown, options?: SignalOptions]

export interface PublisherSite {
  readonly payload: () => PayloadEngine
  readonly payloadLimit: number
  readonly transactions: Transactions
}

/** What one call of `signalMany()` may bring: it is checked and stored in one go, which holds the loop for some 100 ms. */
export const MOST_ENTRIES = 10_000
export const MOST_BATCH_BYTES = 16 * 1024 * 1024

export function createPublisher(site: PublisherSite): Publisher {
  const { transactions, payloadLimit } = site

  async function publish(make: () => readonly NewRow[]): Promise<Receipt[]> {
    if (transactions.running) return receipts(await transactions.running.add(make))
    const rows = make()
    if (rows.length === 0) return []
    return receipts(await site.payload().append(rows))
  }

  async function publishOne(make: () => NewRow): Promise<Receipt> {
    return first(await publish(() => [make()]))
  }

  /** Inside a transaction nobody can wait for a call; the transaction tells what fails. */
  function told<T>(call: Promise<T>): Promise<T> {
    return transactions.running ? silence(call) : call
  }

  return {
    signal: (...call) => {
      const [key, payload, options] = call
      const content = () => ({ ...checkOptions(options), key, payload: call.length > 1 ? payload : null })
      return told(publishOne(() => toRow(content(), payloadLimit)))
    },
    signalMany: (entries) => told(publish(() => toRows(entries, payloadLimit))),
    end: (key, options = {}) => told(publishOne(() => toEnd(key, options))),
  }
}

function toRows(entries: readonly SignalEntry[], limit: number): NewRow[] {
  if (!Array.isArray(entries)) {
    throw new FileSignalError('BATCH_INVALID', `signalMany() was given ${quote(entries)}`)
  }
  if (entries.length > MOST_ENTRIES) {
    throw new FileSignalError('BATCH_TOO_LARGE', `signalMany() was given ${entries.length} entries`)
  }
  let bytes = 0
  return entries.map((entry: unknown, i) => {
    try {
      const row = toRow(checkEntry(entry), limit)
      bytes += Buffer.byteLength(row.payload)
      if (bytes <= MOST_BATCH_BYTES) return row
    } catch (error) {
      throw error instanceof FileSignalError ? inEntry(error, i) : error
    }
    throw new FileSignalError('BATCH_TOO_LARGE', `the first ${i + 1} entries are larger than 16 MiB`)
  })
}

function toEnd(key: string, options: EndOptions): NewRow {
  refuseUnknown(options, 'end', ['reason'])
  const payload = encodeEnding(checkReason(options.reason))
  return { key: checkKey(key), event: null, payload, kind: 'end', dedupe: null }
}

function toRow(entry: SignalEntry, limit: number): NewRow {
  return {
    key: checkKey(entry.key),
    event: checkEvent(entry.event),
    payload: encodePayload('payload' in entry ? entry.payload : null, limit),
    kind: 'event',
    dedupe: checkDedupe(entry.dedupe),
  }
}

function checkEntry(entry: unknown): SignalEntry {
  if (typeof entry === 'object' && entry !== null && 'key' in entry) {
    refuseUnknown(entry, 'signalMany', ENTRY_NAMES)
    return entry as SignalEntry
  }
  throw new FileSignalError('BATCH_INVALID', `${quote(entry)} is not an object with a key`)
}

const OPTION_NAMES = ['event', 'dedupe']
const ENTRY_NAMES = ['key', 'payload', ...OPTION_NAMES]

function checkOptions(options: SignalOptions | undefined): SignalOptions {
  if (options === undefined) return {}
  refuseUnknown(options, 'signal', OPTION_NAMES)
  return options
}

/** Says which entry of a batch is bad; nothing of the batch was stored. */
function inEntry(error: FileSignalError, i: number): FileSignalError {
  const what = error.message.slice(error.code.length + 2, -error.remedy.length - 3)
  return new FileSignalError(error.code, `entry ${i}: ${what}`, { cause: error, remedy: error.remedy })
}

function receipts(appended: Appended): Receipt[] {
  return appended.rows.map(({ n, stored }) => ({ id: formatId(appended.epoch, n), stored }))
}

function first(list: readonly Receipt[]): Receipt {
  return list[0] as Receipt
}
