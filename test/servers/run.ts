import { ask } from './ask.js'
import type { Cell, RunningCell } from './cell.js'
import { type Idle, type IdleStream, idleFaultOf, openIdle } from './idle.js'
import { type Delivery, faultOf, measureDelivery } from './measure.js'
import { measureShort, type ShortDelivery, shortFaultOf } from './measure-short.js'
import { type Publisher, startPublisher } from './publisher.js'

/** What was seen of one cell. A part is null where it was not measured; a fault is one line, null for none. */
export interface Result {
  readonly cell: Cell
  /** How often it was measured. */
  attempts: number
  delivery: Delivery | null
  fault: string | null
  /** Of cells for which needsShort(). */
  short: ShortDelivery | null
  shortFault: string | null
  /** Of cells with our file: what is wrong with a page that is no stream. */
  pageFault: string | null
  /** Of cells that stream, or delay. */
  idle: Idle | null
  idleFault: string | null
}

interface Started {
  readonly result: Result
  readonly running: RunningCell
  readonly idle: IdleStream
}

/** A busy machine may spoil a figure; a server that buffers does so each time. */
const ATTEMPTS = 4

/** How many cells start, and how many are measured, side by side. */
const STARTING = 6
const MEASURED = 2

/**
 * Measures all cells: they stand side by side, and their idle streams wait in one window while events go
 * through one cell after the other. Takes some two minutes. `tell` gets a line for each cell.
 */
export async function runMatrix(cells: readonly Cell[], tell: (line: string) => void): Promise<Result[]> {
  const publisher = startPublisher()
  const results = cells.map(newResult)
  const started: Started[] = []
  try {
    await inTurns(results, STARTING, async (result) => {
      try {
        const running = await result.cell.start()
        started.push({ result, running, idle: openIdle(running) })
      } catch (error) {
        result.fault = error instanceof Error ? error.message : String(error)
      }
    })
    await inTurns(started, MEASURED, async ({ result, running }) => {
      await measure(result, running, publisher)
      tell(`${anyFaultOf(result) ?? 'as expected'}: ${result.cell.name}`)
    })
    // What failed beside another cell gets the machine for itself.
    for (const { result, running } of started) {
      for (let attempt = 1; attempt < ATTEMPTS && anyFaultOf(result); attempt += 1) {
        await measure(result, running, publisher)
        tell(`${anyFaultOf(result) ?? 'as expected'}, measured again: ${result.cell.name}`)
      }
    }
    tell('waiting for the idle streams')
    await Promise.all(
      started.map(async ({ result, idle }) => {
        result.idle = await idle.figures()
        if (result.cell.expects !== 'buffers') result.idleFault = idleFaultOf(result.idle)
      }),
    )
  } finally {
    for (const { idle } of started) idle.leave()
    await publisher.close()
    await inTurns(started, STARTING, ({ running }) => running.stop())
  }
  return results
}

/** Something comes late or never: there short responses must do. */
export function needsShort({ expects, holdsReplay }: Cell): boolean {
  return expects !== 'streams' || holdsReplay === true
}

async function measure(result: Result, running: RunningCell, publisher: Publisher): Promise<void> {
  const { cell } = result
  result.attempts += 1
  result.fault = await attempt(async () => {
    result.delivery = await measureDelivery(running, publisher)
    return faultOf(cell, result.delivery)
  })
  if (cell.form === 'ours') result.pageFault = await attempt(() => pageFaultOf(running))
  if (!needsShort(cell)) return
  result.shortFault = await attempt(async () => {
    result.short = await measureShort(running, publisher)
    return shortFaultOf(result.short)
  })
}

/** Our file is for streams alone: a page is compressed as it was before. */
async function pageFaultOf({ url, ca }: RunningCell): Promise<string | null> {
  const { status, headers, body } = await ask(`${url}/page.txt`, {}, ca)
  if (status !== 200 || !body.startsWith('A page'))
    return `a page got ${status} and ${body.length} characters`
  return headers['content-encoding'] ? null : 'a page was not compressed'
}

async function attempt(measured: () => Promise<string | null>): Promise<string | null> {
  try {
    return await measured()
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function anyFaultOf({ fault, shortFault, pageFault }: Result): string | null {
  return fault ?? shortFault ?? pageFault
}

function newResult(cell: Cell): Result {
  return {
    cell,
    attempts: 0,
    delivery: null,
    fault: null,
    short: null,
    shortFault: null,
    pageFault: null,
    idle: null,
    idleFault: null,
  }
}

/** Does `work` for each item, at most `many` at a time. */
async function inTurns<T>(
  items: readonly T[],
  many: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items]
  const worker = async () => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: many }, worker))
}
