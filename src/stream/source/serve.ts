import { AsyncResource } from 'node:async_hooks'
import type { FileSignalError } from '../../errors.js'
import type { SourcePlan } from '../../source-options.js'
import { DONE_ID, encodeReady } from '../frame.js'
import { helloOf, sayAgain } from '../hello.js'
import type { Outgoing } from '../outgoing.js'
import { openProbe } from '../probe.js'
import type { Mode } from '../request.js'
import type { Streams } from '../streams.js'
import { type Broadcast, createBroadcast, type Hearer } from './broadcast.js'
import { createSourceFaults } from './faults.js'
import { createOrigin, type RunSite } from './origin.js'
import type { Source } from './source.js'

/** One client of a source: its response, what the source is to know of its request, and its Last-Event-ID. */
export interface SourceRequest<Context> {
  /** Without the query, for reports. */
  readonly path: string
  readonly response: Outgoing
  readonly context: Context
  readonly lastEventId: string | null
  /** There is no `short`: it would begin a source anew for each piece. */
  readonly mode: Mode
  readonly hello: boolean
}

/** Opens a stream; 'over' where the client has all of it: nothing is written, answer 204. */
export type SourceServer<Context> = (request: SourceRequest<Context>) => 'open' | 'over'

/**
 * Serves one source: each client gets a run of its own, or, with `share`, all get one, which sees nobody's
 * context. It needs no store.
 */
export function createSourceServer<Context>(
  streams: Pick<Streams, 'accept'>,
  source: Source<Context | null>,
  plan: SourcePlan<never>,
  report: (error: FileSignalError) => void,
): SourceServer<Context> {
  const faults = createSourceFaults(typeof source === 'function' ? source.name : '', report)
  const begin = createOrigin(source, plan, faults)
  // Or the shared run would find the first client's request in its AsyncLocalStorage.
  const apart = plan.share ? new AsyncResource('SharedSource') : null
  let shared: Broadcast | null = null

  function broadcastFor({ path, context, lastEventId }: SourceRequest<Context>): Broadcast {
    if (!apart) return createBroadcast((site) => begin(context, lastEventId, site), plan, faults, path)
    if (!shared || shared.isOver()) {
      const beginApart = (site: RunSite) => apart.runInAsyncScope(begin, null, null, null, site)
      shared = createBroadcast(beginApart, plan, faults, path)
    }
    return shared
  }

  return (request) => {
    const { response, lastEventId, mode } = request
    if (mode === 'probe') {
      openProbe(streams.accept, { response, plan, keys: [] })
      return 'open'
    }
    if (lastEventId === DONE_ID) return 'over'
    let hearer: Hearer | null = null
    let unsay = () => {}
    const connection = streams.accept(response, plan, {
      drained: () => hearer?.drained(),
      left: () => {
        unsay()
        hearer?.leave()
      },
    })
    if (!connection) return 'open'
    const hello = request.hello ? helloOf(plan.share ? [] : null) : ''
    connection.send(encodeReady(null, plan.heartbeat) + hello)
    if (mode === 'now') {
      const last = shared?.last()
      if (last) connection.send(last)
      connection.end()
    } else {
      if (hello) unsay = sayAgain(connection, hello)
      hearer = broadcastFor(request).join(connection)
    }
    return 'open'
  }
}
