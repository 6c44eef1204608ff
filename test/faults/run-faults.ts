import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { until } from '../support/wait.js'
import type { Fault, Stage } from './actions/fault.js'
import { check } from './checker/check.js'
import type { Violation } from './checker/violation.js'
import { heal } from './healing.js'
import { createLog, type Log } from './log.js'
import { planOf, type Step } from './plan.js'
import { createRandom } from './random.js'
import { type Entry, JOBS, now } from './record.js'
import { createTroupe } from './troupe.js'
import { createWorld } from './world.js'

export interface RunOptions {
  seed: number
  ms: number
  faults: readonly Fault[]
  /** Told what happens, a line each. */
  onLine?: (line: string) => void
}

/** What a run did, and what is wrong with that; `folder` holds the log where something is. */
export interface Outcome {
  entries: readonly Entry[]
  violations: Violation[]
  /** Kinds that could not happen here, and why. */
  skipped: readonly string[]
  folder: string
  began: number
}

/** One run: everybody plays, faults happen as planned, everything has to heal, and the log is checked. */
export async function runFaults({ seed, ms, faults, onLine = () => {} }: RunOptions): Promise<Outcome> {
  const world = createWorld()
  const log = createLog(join(world.folder, 'log.jsonl'))
  const began = now()
  const why = faults.map((fault) => fault.missing?.(world) ?? null)
  const skipped = faults.flatMap(({ kind }, i) => (why[i] ? [`${kind}: ${why[i]}`] : []))
  const plan = planOf(
    seed,
    faults.filter((_, i) => !why[i]),
    ms,
  )
  let stage: Stage | null = null
  const leave = () => {
    for (const member of stage?.members ?? []) member.signal('SIGKILL')
    world.close(false)
  }
  process.once('exit', leave)
  let violations: Violation[] = []
  try {
    stage = await createTroupe(world, seed, log.add)
    const opened = () => new Set(log.entries.flatMap((e) => (e.type === 'ready' ? [e.reader] : []))).size
    await until(() => opened() === stage?.readers.length, 'ready on every stream', 20_000)
    await play(stage, plan, ms, log, onLine)
    await heal(stage, log)
    const readers = new Map(stage.readers.filter(({ keys }) => keys[0] !== JOBS).map((r) => [r.name, r.keys]))
    violations = check(readers, log.entries)
    return { entries: log.entries, violations, skipped, folder: world.folder, began }
  } finally {
    for (const reader of stage?.readers ?? []) reader.close()
    await Promise.all(stage?.members.map((member) => member.end('SIGKILL')) ?? [])
    await log.close()
    process.off('exit', leave)
    world.close(violations.length === 0)
  }
}

async function play(
  stage: Stage,
  plan: readonly Step[],
  ms: number,
  log: Log,
  onLine: (line: string) => void,
): Promise<void> {
  const began = now()
  let alone = Promise.resolve()
  const rest = async () => void (await pause(Math.max(0, began + ms - now())))

  async function act({ index, seed, fault }: Step): Promise<void> {
    const { kind, resets } = fault
    log.add({ type: 'action', t: now(), index, kind, resets, lossy: resets > 0 })
    let what: string
    try {
      what = await fault.act(stage, createRandom(seed))
    } catch (error) {
      what = `failed: ${error}`
    }
    log.add({ type: 'done', t: now(), index, kind, what })
    onLine(`${((now() - began) / 1000).toFixed(1).padStart(6)} s  ${kind}: ${what}`.trimEnd())
  }

  async function lane(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      await pause(Math.max(0, began + step.at - now()))
      if (now() > began + ms) return
      if (step.fault.lane === 'hosts' || step.fault.isAlone) {
        alone = alone.then(() => act(step))
        await alone
      } else await act(step)
    }
  }

  const lanes = ['store', 'hosts'].map((name) => lane(plan.filter(({ fault }) => fault.lane === name)))
  await Promise.all([...lanes, rest()])
}
