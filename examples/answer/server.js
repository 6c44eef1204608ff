// An answer that another process writes word by word; it survives reloads. node examples/answer/server.js
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const MOST_AT_ONCE = 4

const events = createFileSignal()
const router = new Router()
const writing = new Map()

const keyOf = (id) => (/^[\w-]{36}$/.test(id) ? `example:answer:${id}` : null)

// Whoever comes, early or late or again, gets the answer from its beginning, and then what follows.
router.get(
  '/answer.sse',
  events.stream((ctx) => keyOf(ctx.query.id), { replay: 'all' }),
)

router.post('/answer', async (ctx) => {
  if (writing.size >= MOST_AT_ONCE) ctx.throw(429, 'enough answers are being written')
  const id = randomUUID()
  const model = spawn(process.execPath, [join(import.meta.dirname, 'model.js'), keyOf(id)], {
    stdio: 'inherit',
  })
  writing.set(id, model)
  model.once('exit', () => writing.delete(id))
  ctx.body = { id }
})

// A reader has read enough: the writer learns it at its next word.
router.post('/stop', async (ctx) => {
  const id = String(ctx.query.id)
  if (writing.has(id)) await events.end(keyOf(id), { reason: 'stopped by a reader' })
  ctx.status = 204
})

// As a crash would: the process cannot say a word any more.
router.post('/crash', async (ctx) => {
  writing.get(String(ctx.query.id))?.kill('SIGKILL')
  ctx.status = 204
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
    const models = [...writing.values()]
    for (const model of models) model.kill()
    await Promise.all(models.map((model) => once(model, 'exit')))
    await events.close()
    server.closeAllConnections()
  })
}
