// A stream that stands in .env: node examples/zero-code/server.js
import { readFile } from 'node:fs/promises'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

// Or: node --env-file=.env server.js
process.loadEnvFile(new URL('.env', import.meta.url))

const events = createFileSignal()
const app = new Koa()

// GET /sse/stream. Everybody may hear all that is listed, and of other keys nothing: the router has /stream/KEY.sse too.
const listed = process.env.SSE_EVENTS.split(',').map((entry) => entry.replace(/^[^:]*:/, '').trim())
app.use(events.routes({ authorize: (_ctx, keys) => keys.every((key) => listed.includes(key)) }).routes())

app.use(async (ctx) => {
  if (ctx.path !== '/') return
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

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
