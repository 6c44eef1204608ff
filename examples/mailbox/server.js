// A queue whose workers are open pages: each job goes to one of them. node examples/mailbox/server.js
import { readFile } from 'node:fs/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const router = new Router()

// However many pages are open, in however many processes: a job goes to one, and then it is out of the store.
router.get('/jobs.sse', events.stream('example:jobs', { deliver: 'once' }))

// Jobs wait here while no page is open.
router.post('/jobs', async (ctx) => {
  const began = Date.now() % 100_000
  await events.signalMany([1, 2, 3, 4, 5].map((i) => ({ key: 'example:jobs', payload: { job: began + i } })))
  ctx.status = 202
})

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
    server.close()
    await events.close()
    server.closeAllConnections()
  })
}
