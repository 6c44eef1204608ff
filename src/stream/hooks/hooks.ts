import { quote } from '../../errors.js'
import type { HookPlan, HookTools } from '../../hook-options.js'
import type { Connection } from '../connection.js'
import type { Shape } from '../frame.js'
import type { Sink } from '../sink.js'
import type { Ticker } from '../ticker.js'
import type { HookFaults } from './hook-faults.js'
import type { Hook } from './hydrate.js'
import { createHydration, type HydratingSink } from './hydration.js'
import { createOwnHydrator, type Hydrator } from './hydrator.js'
import { startLoop } from './loop.js'
import type { Pacer } from './pacer.js'
import type { SharedHook, SharedHydrations } from './shared-hydration.js'
import type { Turns } from './turns.js'

/** The user's functions for one stream, bound to its request. Times in milliseconds. */
export interface Hooks {
  /** The functions as they were given, known by which is which. */
  readonly given: Pick<HookPlan<never>, 'each' | 'onLoop'>
  readonly each: Hook | null
  readonly once: SharedHook | null
  readonly onLoop: ((tools: HookTools) => unknown) | null
  readonly poll: number
  readonly timeout: number
}

/** The hooks of one open stream. */
export interface RunningHooks {
  /** Where the stream's events go. */
  readonly sink: Sink
  /** What makes its frames, for events that come to it another way; null where no hook does. */
  readonly hydrator: Hydrator | null
  /** Begins the loop, if there is one. */
  start(): void
  /** The connection has drained. */
  drained(): void
  /** What the client is still to get before the response ends. */
  lastWords(): string
  /** The stream is over: no hook is called any more. Idempotent. */
  close(): void
}

export interface HooksSite {
  readonly shared: SharedHydrations
  readonly pacer: Pacer
  readonly turns: Turns
  readonly shape: Shape
  readonly keys: readonly string[]
  readonly buffer: number
  /** Tells the sink now and then what time has brought; null for a response that says all at its end. */
  readonly ticker: Ticker | null
  readonly onDrain: () => void
  readonly faults: HookFaults
}

/** Puts the hooks of one stream before its connection. */
export function createHooks(connection: Connection, hooks: Hooks, site: HooksSite): RunningHooks {
  const { given, onLoop, poll, timeout } = hooks
  const { ticker, faults } = site
  const hydrator = createHydrator(hooks, site)
  const sink: HydratingSink | null = hydrator && createHydration(connection, hydrator, site)
  let stopLoop = () => {}

  return {
    sink: sink ?? connection,
    hydrator,
    start: () => {
      if (sink) ticker?.add(sink)
      if (!onLoop) return
      const report = faults.of(given.onLoop ?? onLoop, 'onLoop')
      const place = `on a stream of ${quote(site.keys.join(', '))}`
      stopLoop = startLoop(onLoop, { poll, limit: timeout, place, report })
      // What it did first may have ended the stream.
      if (!connection.isOpen()) stopLoop()
    },
    drained: sink ? sink.drained : site.onDrain,
    lastWords: () => sink?.lastWords() ?? '',
    close: () => {
      stopLoop()
      if (!sink) return
      ticker?.delete(sink)
      sink.close()
    },
  }
}

function createHydrator({ given, each, once, timeout }: Hooks, site: HooksSite): Hydrator | null {
  const { shape, shared, faults } = site
  const siteOf = (hook: object) => ({ limit: timeout, report: faults.of(hook, 'beforeSend') })
  if (once) return shared.hydrator(once, shape, siteOf(once))
  return each && createOwnHydrator(each, shape, siteOf(given.each ?? each))
}
