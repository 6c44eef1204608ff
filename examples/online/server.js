// Who is online: each open stream renews the lease of its user. node examples/online/server.js
import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

/** Longer than a browser takes to come back, so nobody flickers at a reconnect. */
const LEASE = 3000

const events = createFileSignal({ retry: '1s' })
const router = new Router()

// Name → when its lease is over. With several web processes this is a table.
const online = new Map()

router.get(
  '/online.sse',
  events.stream('example:online', { replay: 'last', poll: '1s', onLoop: (ctx) => renew(nameOf(ctx)) }),
)

async function renew(name) {
  const isNew = !online.has(name)
  online.set(name, Date.now() + LEASE)
  if (isNew) await tell()
}

// A browser that leaves says nothing; it renews nothing either.
const expiring = setInterval(() => {
  const gone = [...online].filter(([, until]) => until < Date.now())
  for (const [name] of gone) online.delete(name)
  if (gone.length > 0) tell().catch(console.error)
}, 500)

const tell = () => events.signal('example:online', [...online.keys()].sort())

// A real app takes the name from the session.
const nameOf = (ctx) => String(ctx.query.name || 'somebody').slice(0, 20)

router.get('/', async (ctx) => {
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

const app = new Koa()
app.use(router.routes())
const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(expiring)
    server.close()
    await events.close()
    server.closeAllConnections()
  })
}
