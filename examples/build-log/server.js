// The log of a build, as it is written, for everybody who looks. node examples/build-log/server.js
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const router = new Router()
let build = null

// A key for each build: a log that is over stays what it was.
router.get(
  '/build/:id.sse',
  events.stream((ctx) => `example:build:${ctx.params.id}`, { replay: 'all' }),
)

router.post('/build', async (ctx) => {
  build ??= start(ctx.query.fail === '1')
  ctx.body = { id: build.id }
})

function start(isToFail) {
  const id = String(Date.now())
  const args = [join(import.meta.dirname, 'build.js'), isToFail ? 'fail' : 'pass']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const done = events
    .writer(`example:build:${id}`)
    .from(outputOf(child))
    .catch((error) => console.log(`Build ${id}: ${error.message}`))
    .finally(() => {
      build = null
    })
  return { id, child, done }
}

/** What it throws ends the key with the reason "failed". */
async function* outputOf(child) {
  const closed = once(child, 'close')
  yield* child.stdout
  const [code, signal] = await closed
  if (code !== 0) throw new Error(`it ended with ${signal ?? code}`)
}

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
    build?.child.kill()
    await build?.done
    await events.close()
    server.closeAllConnections()
  })
}
