// A key that ends, and is open again with the next job: node examples/ending/server.js
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const KEY = 'example:ending'
const STEPS = 5

const events = createFileSignal()
const router = new Router()
const stopping = new AbortController()
let job = null

// Who comes late gets the last step; who comes after the end gets [DONE] behind it.
router.get('/job.sse', events.stream(KEY, { replay: 'last' }))

router.post('/job', async (ctx) => {
  if (job) ctx.throw(409, 'a job is running')
  job = work().finally(() => {
    job = null
  })
  ctx.status = 202
})

router.get('/', async (ctx) => {
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

async function work() {
  try {
    for (let step = 1; step <= STEPS; step += 1) {
      await events.signal(KEY, { step, of: STEPS })
      await sleep(300, undefined, { signal: stopping.signal })
    }
    await events.end(KEY)
  } catch (error) {
    // Pages that wait learn that nothing more comes, and why: if not from this process, from the next.
    const reason = stopping.signal.aborted ? 'stopped' : 'failed'
    if (reason === 'failed') console.error(error)
    await events.end(KEY, { reason }).catch(console.error)
  }
}

const app = new Koa()
app.use(router.routes())
const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    server.close()
    stopping.abort()
    await job
    await events.close()
    server.closeAllConnections()
  })
}
