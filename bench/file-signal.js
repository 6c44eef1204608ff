import { setTimeout as sleep } from 'node:timers/promises'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

/** Milliseconds that the shared hook takes, as a query of a database does. */
const QUERY = 5

/** file-signal with its defaults, behind the same few calls as the bare design. */
export function openFileSignal(folder) {
  const events = createFileSignal({
    root: folder,
    // The replay of 100,000 events needs them kept; everything else is as a user gets it.
    retention: { maxPerKey: false },
  })
  const keyOf = (request) => new URL(request.url, 'http://localhost').searchParams.get('key')
  const live = events.handler(keyOf)
  let calls = 0
  const beforeSend = async ({ payload }) => {
    calls += 1
    await sleep(QUERY)
    return payload
  }
  const hydrated = events.handler(keyOf, { beforeSend, hydrate: 'once' })
  const mailbox = events.handler(keyOf, { deliver: 'once' })
  const replaying = events.handler(keyOf, { replay: 'all' })
  const app = new Koa()
  app.use(events.inspector({ authorize: () => true }).routes())
  const inspector = app.callback()
  return {
    signal: events.signal,
    signalMany: events.signalMany,
    calls: () => calls,
    handler(request, response) {
      if (request.url.startsWith('/inspector')) return inspector(request, response)
      if (request.url.includes('&hydrate')) return hydrated(request, response)
      if (request.url.includes('&once')) return mailbox(request, response)
      return (request.url.includes('&replay') ? replaying : live)(request, response)
    },
    close: events.close,
  }
}
