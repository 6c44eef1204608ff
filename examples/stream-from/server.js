// Streams that need no store: a clock for all, and an answer word by word for each. node examples/stream-from/server.js
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const router = new Router()
let asked = 0
let writing = 0

// Asked once a second however many pages are open, and not at all while none is.
router.get(
  '/clock.sse',
  events.streamFrom(() => ({ asked: ++asked, writing, memory: process.memoryUsage.rss() }), {
    every: '1s',
    share: true,
  }),
)

// Read to its end, for one page; a page that leaves ends it.
router.get(
  '/answer.sse',
  events.streamFrom((ctx, { signal }) => answer(String(ctx.query.question ?? ''), signal)),
)

/** In the place of a language model. Its signal goes to what costs money: `fetch(url, { signal })`. */
async function* answer(question, signal) {
  writing += 1
  try {
    const text = `You ask: “${question}” I do not know, but I say so word by word, as fast as you read.`
    for (const word of text.split(/(?<= )/)) {
      await sleep(100, undefined, { signal })
      yield word
    }
  } finally {
    writing -= 1
  }
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
    await events.close()
    server.closeAllConnections()
  })
}
