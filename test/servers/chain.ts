import { type App, shareApp } from './app.js'
import type { Cell, RunningCell } from './cell.js'
import type { ServerProcess } from './process.js'
import { certificate } from './tls.js'
import { USER } from './user.js'

/** All that is said of a cell before it can be started. */
export type CellPlan = Omit<Cell, 'start'>

/** What stands innermost: the app on a port, or Passenger, which starts it. */
export type Inner = Pick<App, 'root' | 'port' | 'openStreams' | 'stop'>

/** Starts a server in front of the one that listens on `portBehind`. */
export type Link = (portBehind: number) => Promise<ServerProcess>

/** A cell in front of the app that all such cells share; `links` from the inside to the outside. */
export function proxied(plan: CellPlan, ...links: readonly Link[]): Cell {
  return { ...plan, start: () => startChain(plan, shareApp, links) }
}

/** A cell whose app is started by `host`, for it alone. */
export function hosted(plan: CellPlan, host: () => Promise<Inner>, ...links: readonly Link[]): Cell {
  return { ...plan, start: () => startChain(plan, host, links) }
}

async function startChain(
  plan: CellPlan,
  startInner: () => Promise<Inner>,
  links: readonly Link[],
): Promise<RunningCell> {
  const inner = await startInner()
  const started: Pick<Inner, 'stop'>[] = [inner]
  async function stop(): Promise<void> {
    for (const server of started.splice(0).reverse()) await server.stop()
  }

  let { port } = inner
  try {
    for (const link of links) {
      const server = await link(port)
      started.push(server)
      port = server.port
    }
  } catch (error) {
    await stop()
    throw error
  }
  const url = `${plan.http === 2 ? 'https' : 'http'}://127.0.0.1:${port}`
  return {
    url,
    root: inner.root,
    user: USER,
    ca: plan.http === 2 ? certificate().pem : undefined,
    streamUrl: (key) => `${url}/stream/${encodeURIComponent(key)}.sse`,
    openStreams: inner.openStreams,
    stop,
  }
}
