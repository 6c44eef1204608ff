import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { FileSignalError } from '../../dist/errors.js'
import type { SignalEngine, SignalListener, SignalSite, WakeKind } from '../../dist/signal/engine.js'
import { type FileSignalEngineOptions, fileSignal } from '../../dist/signal/file.js'
import type { Timing } from '../../dist/signal/listener.js'
import { type Child, type ChildOptions, run, start } from './child.js'
import { freshFolder } from './folder.js'
import { until } from './wait.js'

export const EPOCH = 'testtest'

export interface Created {
  engine: SignalEngine
  reports: FileSignalError[]
}

export interface Listening extends Created {
  listener: SignalListener
  /** Every wake-up: when, why, and the row that the file named then. */
  wakes: { at: number; kind: WakeKind; n: number }[]
}

/** What the signal-listen fixture prints. */
export interface Line {
  wake?: WakeKind
  n?: number | null
  mode?: string
  report?: string
  remedy?: string
  message?: string
  listening?: string
  done?: string
}

/** What the signal-raise fixture did, and when. */
export interface Raised {
  code: number | null
  reports: string[]
  alive: string[]
  raised: { n: number; at: number }[]
}

/** For a describe(): a signal file in a fresh folder for each test, and an end to all that a test opened on it. */
export function useSignals() {
  const open: SignalEngine[] = []
  const children: Child[] = []
  let place = ''
  let path = ''

  beforeEach(() => {
    place = freshFolder()
    chmodSync(place, 0o755)
    path = join(place, 'tmp/sse_signals/events.signal')
  })

  afterEach(async () => {
    for (const engine of open.splice(0)) await engine.close()
    for (const child of children.splice(0)) await child.stop()
  })

  function site(reports: FileSignalError[], more: Partial<SignalSite> = {}): SignalSite {
    const report = (error: unknown) => {
      if (!(error instanceof FileSignalError)) throw error
      reports.push(error)
    }
    return { signalFile: () => path, mode: 0o600, group: null, report, ...more }
  }

  function create(
    options: FileSignalEngineOptions = {},
    timing: Partial<Timing> = {},
    more: Partial<SignalSite> = {},
  ): Created {
    const reports: FileSignalError[] = []
    const engine = fileSignal(options, timing)(site(reports, more))
    open.push(engine)
    return { engine, reports }
  }

  async function listen(
    options: FileSignalEngineOptions = {},
    timing: Partial<Timing> = {},
    more: Partial<SignalSite> = {},
  ): Promise<Listening> {
    const created = create(options, timing, more)
    const wakes: Listening['wakes'] = []
    const listener = await created.engine.listen((kind) => {
      wakes.push({ at: now(), kind, n: created.engine.newest?.()?.n ?? 0 })
    })
    return { ...created, listener, wakes }
  }

  /** Raises one signal per gap in a process of its own, started in `/`. */
  async function raiseElsewhere(gaps: number[], more: object = {}, user: ChildOptions = {}): Promise<Raised> {
    const env = { FILE_SIGNAL_ROOT: place }
    const ended = await run('signal-raise', [JSON.stringify({ gaps, ...more })], { cwd: '/', env, ...user })
    expect(ended.stderr).to.equal('')
    const lines = ended.stdout.trim().split('\n')
    const last = JSON.parse(lines.pop() ?? '') as Pick<Raised, 'reports' | 'alive'>
    return { ...last, code: ended.code, raised: lines.map((line) => JSON.parse(line)) }
  }

  /** A listener in a process of its own, and what it printed so far. */
  function listenElsewhere(options: ChildOptions): { child: Child; lines: () => Line[] } {
    const child = start('signal-listen', [path], { cwd: '/', ...options })
    children.push(child)
    return { child, lines: () => child.lines.map((line) => JSON.parse(line) as Line) }
  }

  return { here: () => ({ place, path }), site, create, listen, raiseElsewhere, listenElsewhere }
}

/** Waits until a raise is noticed, and resolves with the milliseconds that it took. */
export async function latency({ engine, wakes }: Listening, n: number): Promise<number> {
  const at = now()
  engine.raise({ epoch: EPOCH, n })
  const wake = await until(
    () => wakes.find((seen) => seen.at >= at && seen.n >= n),
    `the wake-up of row ${n}`,
  )
  return wake.at - at
}

/** Waits until no wake-up is on its way any more, and forgets them. */
export async function quiet({ wakes }: Listening): Promise<void> {
  await until(() => wakes.length > 0 && now() - (wakes.at(-1)?.at ?? 0) > 150, 'quiet')
  wakes.length = 0
}

/** Rows after whose raise no wake-up came within 250 ms that could see them. */
export function lateOnes(
  raised: Raised['raised'],
  { wakes }: Listening,
): { n: number; after: number | null }[] {
  const late: { n: number; after: number | null }[] = []
  for (const { n, at } of raised) {
    const wake = wakes.find((seen) => seen.at >= at && seen.n >= n)
    const after = wake ? wake.at - at : null
    if (after === null || after > 250) late.push({ n, after })
  }
  return late
}

/** Milliseconds on the one clock that all processes of a machine share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
