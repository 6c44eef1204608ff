import type { Cell, RunningCell } from './cell.js'
import { wrong } from './fault.js'
import { type IdleStream, idleFaultOf, openIdle } from './idle.js'
import { faultsOf, isWorthAnother, measureCell, newResult, type Result } from './measure-cell.js'
import { type Publisher, startPublisher } from './publisher.js'

interface Started {
  readonly result: Result
  readonly running: RunningCell
  readonly idle: IdleStream
}

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
        result.fault = wrong(error instanceof Error ? error.message : String(error))
      }
    })
    await inTurns(started, MEASURED, async ({ result, running }) => {
      await measureCell(result, running, publisher)
      tell(describe(result))
    })
    // What was late beside another cell gets the machine for itself.
    for (const { result, running } of started) await measureAgain(result, running, publisher, tell)
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

/** Measures a cell until nothing is late, as often as isWorthAnother() allows. */
export async function measureAgain(
  result: Result,
  running: RunningCell,
  publisher: Publisher,
  tell: (line: string) => void,
): Promise<void> {
  while (isWorthAnother(result)) {
    await measureCell(result, running, publisher)
    tell(`${describe(result)}, measured again`)
  }
}

function describe(result: Result): string {
  const faults = faultsOf(result).map(({ what }) => what)
  return `${result.cell.name}: ${faults.join('; ') || 'as expected'}`
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
