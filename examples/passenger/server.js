// A page that shows orders as they come in: from its own form, from a cron job, from PHP.
import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import { clientAddress, createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const addressOf = clientAddress()
// An app below the root of its site gets its requests with the whole path.
const base = process.env.PASSENGER_BASE_URI ?? ''
const prefix = base === '/' ? '' : base
const router = new Router({ prefix })

router.get('/orders.sse', events.stream('orders', { replay: 20 }))

router.post('/orders', async (ctx) => {
  await events.signal('orders', { from: addressOf(ctx.req), at: new Date().toISOString() })
  ctx.status = 204
})

router.get('/', async (ctx) => {
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

router.get('/stats.json', async (ctx) => {
  // For your own eyes: it names the folders that this process found. Protect it, or take it out.
  if (addressOf(ctx.req) !== '127.0.0.1') ctx.throw(403)
  ctx.body = { pid: process.pid, ...(await events.stats()) }
})

const app = new Koa()
app.use(router.routes())
// These are for the page's sse-client.js; what they could stream besides stays shut.
app.use(events.routes({ prefix, authorize: () => false }).routes())
app.use(router.allowedMethods())

// The one listen() of the process: under a panel the number is ignored, elsewhere it counts.
const server = app.listen(process.env.PORT ?? 3000)
server.once('listening', () => console.log('listening'))

process.once('SIGTERM', async () => {
  server.close()
  await events.close()
  server.closeAllConnections()
})
