import { ask } from './ask.js'
import type { Cell, RunningCell } from './cell.js'
import { type Fault, wrong } from './fault.js'
import type { Idle } from './idle.js'
import { type Delivery, faultOf, measureDelivery } from './measure.js'
import { measureShort, type ShortDelivery, shortFaultOf } from './measure-short.js'
import type { Publisher } from './publisher.js'

/** What was seen of one cell. A part is null where it was not measured; a fault is null for none. */
export interface Result {
  readonly cell: Cell
  /** How often it was measured; the figures are the last ones. */
  attempts: number
  delivery: Delivery | null
  fault: Fault | null
  /** Of cells for which needsShort(). */
  short: ShortDelivery | null
  shortFault: Fault | null
  /** Of cells with our file: what is wrong with a page that is no stream. */
  pageFault: Fault | null
  /** Of cells that stream, or delay. */
  idle: Idle | null
  idleFault: string | null
}

/** A busy machine may spoil a figure. */
const ATTEMPTS = 4

export function newResult(cell: Cell): Result {
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

/** Something comes late or never, or would with other data: there short responses must do. */
export function needsShort({ expects, form, holdsReplay }: Cell): boolean {
  return expects !== 'streams' || form === 'hostile' || holdsReplay === true
}

/** Measures a running cell once. */
export async function measureCell(result: Result, running: RunningCell, publisher: Publisher): Promise<void> {
  const { cell } = result
  result.attempts += 1
  result.fault = await attempt(async () => {
    result.delivery = await measureDelivery(cell, running, publisher)
    return faultOf(cell, result.delivery)
  })
  if (cell.form === 'ours') result.pageFault = await attempt(() => pageFaultOf(running))
  if (!needsShort(cell)) return
  result.shortFault = await attempt(async () => {
    result.short = await measureShort(running, publisher)
    return shortFaultOf(result.short)
  })
}

/** True for what was only too slow, and not too often: what lost, repeated or mixed up events gets no second chance. */
export function isWorthAnother(result: Result): boolean {
  const faults = faultsOf(result)
  return faults.length > 0 && faults.every(({ isLate }) => isLate) && result.attempts < ATTEMPTS
}

export function faultsOf({ fault, shortFault, pageFault }: Result): Fault[] {
  return [fault, shortFault, pageFault].filter((one) => one !== null)
}

/** Our file is for streams alone: a page is compressed as it was before. */
async function pageFaultOf({ url, ca }: RunningCell): Promise<Fault | null> {
  const { status, headers, body } = await ask(`${url}/page.txt`, {}, ca)
  if (status !== 200 || !body.startsWith('A page'))
    return wrong(`a page got ${status} and ${body.length} characters`)
  return headers['content-encoding'] ? null : wrong('a page was not compressed')
}

async function attempt(measured: () => Promise<Fault | null>): Promise<Fault | null> {
  try {
    return await measured()
  } catch (error) {
    return wrong(error instanceof Error ? error.message : String(error))
  }
}
