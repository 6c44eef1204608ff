import { fstatSync } from 'node:fs'
import { FileSignalError, type SignalEntry } from '../index.js'
import { inBatches } from './batches.js'
import { usageError } from './failure.js'
import { type Line, parseJson, readLines } from './input.js'
import { createProgress, type Progress } from './progress.js'
import type { Session } from './session.js'

/** What lines get that do not say it themselves. */
export type LineDefaults = Pick<Partial<SignalEntry>, 'key' | 'event'>

/** Of lines; as JSON made anew they may be several times as long, and a batch must not be larger than 16 MiB. */
const BATCH = Object.freeze({ size: 500, bytes: 2 * 1024 * 1024 })
/** A line from a slow pipe waits this long for others, in ms. */
const PATIENCE = 50

/**
 * Stores an event for each line of stdin, 500 in a transaction, and reads no faster than they are stored.
 *
 * A bad line ends it: nothing of its batch is stored, and the error names the line, how many events
 * were stored before, and the line to go on from.
 */
export async function signalMany({ events, output, json }: Session, defaults: LineDefaults): Promise<void> {
  const progress = createStdinProgress(json)
  let stored = 0
  let repeated = 0
  let lastId: string | null = null
  try {
    for await (const lines of inBatches(readLines(counted(process.stdin, progress)), BATCH, PATIENCE)) {
      const receipts = await storeBatch(lines, defaults, (entries) => events.signalMany(entries)).catch(
        (error: unknown) => {
          throw error instanceof FileSignalError ? withPlace(error, stored, lines) : error
        },
      )
      for (const receipt of receipts) {
        if (receipt.stored) stored += 1
        else repeated += 1
        lastId = receipt.id
      }
      progress.note(`${stored} stored`)
    }
  } finally {
    progress.stop()
  }
  const skipped = repeated === 0 ? '' : `, ${repeated} known by their dedupe`
  await output.print(`${stored} stored${skipped}`, { stored, repeated, lastId })
}

async function storeBatch<Receipt>(
  lines: readonly Line[],
  defaults: LineDefaults,
  store: (entries: SignalEntry[]) => Promise<Receipt>,
): Promise<Receipt> {
  const entries = lines.map((line) => toEntry(line, defaults))
  try {
    return await store(entries)
  } catch (error) {
    throw error instanceof FileSignalError ? withLine(error, lines) : error
  }
}

const KNOWN = Object.freeze(['key', 'payload', 'event', 'dedupe'])
/** So that what `tail --json` prints can be stored elsewhere. */
const IGNORED = Object.freeze(['id', 'createdAt'])

function toEntry({ number, bytes }: Line, defaults: LineDefaults): SignalEntry {
  const place = `line ${number}`
  const value = parseJson(bytes, place)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badLine(`${place} is not an object`)
  }
  const unknown = Object.keys(value).find((name) => !KNOWN.includes(name) && !IGNORED.includes(name))
  if (unknown !== undefined) throw badLine(`${place} has an unknown ${JSON.stringify(unknown)}`)
  if (!('payload' in value)) throw badLine(`${place} has no payload`)
  const entry: Record<string, unknown> = { ...defaults, ...value }
  for (const name of IGNORED) delete entry[name]
  if (!isKeyed(entry)) throw badLine(`${place} has no key`, 'write one, or give a KEY for such lines')
  return entry
}

function isKeyed(entry: Record<string, unknown>): entry is Record<string, unknown> & SignalEntry {
  return entry.key !== undefined
}

function badLine(what: string, remedy = 'write {"key": ..., "payload": ...} on each line'): FileSignalError {
  return new FileSignalError('BATCH_INVALID', what, { remedy })
}

/** The library counts the entries of a batch, the user the lines of the file. */
function withLine(error: FileSignalError, lines: readonly Line[]): FileSignalError {
  const [, index, what] = /^\w+: entry (\d+): (.*)$/s.exec(error.message) ?? []
  const line = index === undefined ? undefined : lines[Number(index)]
  if (!line || what === undefined) return error
  return rephrase(error, `line ${line.number}: ${what.slice(0, -error.remedy.length - 3)}`)
}

function withPlace(error: FileSignalError, stored: number, lines: readonly Line[]): FileSignalError {
  const [first] = lines
  const what = error.message.slice(error.code.length + 2, -error.remedy.length - 3)
  return rephrase(error, `${what}; ${stored} stored before, go on from line ${first?.number ?? 1}`)
}

function rephrase(error: FileSignalError, what: string): FileSignalError {
  return new FileSignalError(error.code, what, { cause: error, remedy: error.remedy })
}

/** A file has a size, and so a percentage; a pipe only tells what was stored. */
function createStdinProgress(json: boolean): Progress {
  const stdin = fstatSync(process.stdin.fd)
  // Node reads a folder as an empty stream.
  if (stdin.isDirectory()) throw usageError('stdin is a folder', 'give a file or a pipe')
  return createProgress('signalling', stdin.isFile() && stdin.size > 0 ? stdin.size : null, json)
}

async function* counted(input: AsyncIterable<Buffer>, progress: Progress): AsyncGenerator<Buffer, void> {
  for await (const chunk of input) {
    progress.add(chunk.length)
    yield chunk
  }
}
