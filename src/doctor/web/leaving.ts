import { setTimeout as pause } from 'node:timers/promises'
import { type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import type { Publish } from './delay.js'
import { ask, type Client } from './probe.js'
import { socketsOfApp } from './sockets.js'
import type { Target } from './target.js'

/** How the app's own side of a stream can be seen. */
export interface AppSide {
  /** The store whose holders are the app; null where it is not known to be the same. */
  readonly store: string | null
  /** Open streams of this process, where the doctor runs inside the app. */
  readonly count: (() => Promise<number>) | null
  /** Makes the app write to the stream; null where nothing may be published. */
  readonly publish: Publish | null
}

const OPENING = 1500
/** Without a write, a layer that looks for gone clients has told by then; the others tell at a heartbeat. */
const QUIET = 2000
const WRITTEN = 3000
/** An Apache notices with the second write; each is an event that stays in the key. */
const WRITES = 3
const STEP = 20
const HOW =
  'run doctor inside the app, doctor({ url, events }), or compare `(await events.stats()).streams` before and after closing a tab'

/** Opens a stream, leaves it, and looks when the app has noticed. */
export async function checkLeaving(client: Client, target: Target, app: AppSide): Promise<Finding> {
  const before = await look(app)
  if (before === null) return skip('not known: the app’s side cannot be seen from here', HOW)
  const { exchange } = await ask(client, target)
  const own = await waitForOwn(app, before)
  if (own === null) {
    exchange.leave()
    return skip('not known: other connections of the app came or went at the same time', HOW)
  }
  exchange.leave()
  const began = performance.now()
  const isGone = async (): Promise<boolean> => own.isGone(await look(app))
  if (await within(QUIET, isGone)) return noticed(performance.now() - began, 'at once')
  if (!app.publish) {
    return warn(
      `not noticed within ${showTime(QUIET)}: the layer in front tells the app at its next writes`,
      'heartbeats end such streams (Apache: after one or two); see how long with --publish KEY',
      { time: null },
    )
  }
  const written = performance.now()
  for (let i = 0; i < WRITES; i += 1) {
    await app.publish({ leaving: i })
    if (await within(WRITTEN / WRITES, isGone)) return noticed(performance.now() - written, 'by writing')
  }
  // A socket may be another's all the same, where a layer keeps its connections to the app; a count is exact.
  const judge = app.count ? fail : warn
  return judge(
    `not noticed within ${showTime(WRITTEN)} of writing to it: the streams of closed tabs stay in the app`,
    'some layer swallows what is written: see "buffering"; until then such streams end at their duration',
    { time: null },
  )
}

interface Own {
  isGone(now: Set<string> | null): boolean
}

/** The one connection that the app has gained; null where it is not exactly one. */
async function waitForOwn(app: AppSide, before: Set<string>): Promise<Own | null> {
  let gained: string[] = []
  await within(OPENING, async () => {
    gained = [...((await look(app)) ?? [])].filter((name) => !before.has(name))
    return gained.length > 0
  })
  // What else comes in the same moment, comes now.
  await pause(STEP * 5)
  gained = [...((await look(app)) ?? [])].filter((name) => !before.has(name))
  const [name] = gained
  if (gained.length !== 1 || name === undefined) return null
  return { isGone: (now) => now !== null && !now.has(name) }
}

/** Names of the app's connections; a count becomes as many names. */
async function look({ count, store }: AppSide): Promise<Set<string> | null> {
  if (count) return new Set(Array.from({ length: await count() }, (_, i) => String(i)))
  return store === null ? null : socketsOfApp(store)
}

async function within(ms: number, condition: () => Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + ms
  for (;;) {
    if (await condition()) return true
    if (performance.now() >= deadline) return false
    await pause(STEP)
  }
}

function noticed(time: number, how: string): Finding {
  return pass(`the app noticed ${how}: ${showTime(time)} after a client had left`, { time, how })
}
