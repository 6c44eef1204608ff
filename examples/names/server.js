// Who names an event: the publisher, the payload, or the stream. node examples/names/server.js
import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const router = new Router()

// "update" is for what nobody else has named.
router.get('/shop.sse', events.stream('example:names', { event: 'update', eventFromPayload: true }))

router.get('/', async (ctx) => {
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

// In a real shop these calls stand where things happen: in requests, jobs, cron scripts.
const HAPPENINGS = [
  () => events.signal('example:names', { visitors: Math.ceil(Math.random() * 90) }),
  () => events.signal('example:names', { event: 'toast', text: 'A parcel has left' }),
  () => events.signal('example:names', { id: Date.now() % 1000, total: 12.5 }, { event: 'order' }),
]
let count = 0
const shop = setInterval(() => {
  HAPPENINGS[count++ % HAPPENINGS.length]().catch(console.error)
}, 700)

const app = new Koa()
app.use(router.routes())
const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(shop)
    server.close()
    await events.close()
    server.closeAllConnections()
  })
}
