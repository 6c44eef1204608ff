// Signal an id, send the fresh row: node examples/hydration/server.js
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const events = createFileSignal()
const router = new Router()

// Stands for a table and a query on it. However many pages are open, each event makes one query.
const reports = new Map([[505, { id: 505, title: 'Sales of the quarter', pages: 0 }]])
let queries = 0
async function readReport(id) {
  queries += 1
  await sleep(20)
  return reports.get(id)
}

router.get(
  '/reports.sse',
  events.stream('example:reports', {
    replay: 'last',
    hydrate: 'once',
    async beforeSend({ payload }) {
      const report = await readReport(payload.report_id)
      // Null sends nothing: an empty report is not for readers.
      if (report.pages === 0) return null
      return { event: 'report', data: { ...report, queries } }
    },
  }),
)

router.get('/', async (ctx) => {
  ctx.type = 'html'
  ctx.body = await readFile(new URL('index.html', import.meta.url))
})

// Somebody writes on: the signal says only which row has changed, and may stand in PHP or a cron job.
const writing = setInterval(() => {
  const report = reports.get(505)
  report.pages = (report.pages + 1) % 8
  events.signal('example:reports', { report_id: report.id }).catch(console.error)
}, 500)

const app = new Koa()
app.use(router.routes())
const server = app.listen(process.env.PORT ?? 3000, '127.0.0.1', () => {
  console.log(`http://localhost:${server.address().port}/`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, async () => {
    clearInterval(writing)
    server.close()
    await events.close()
    server.closeAllConnections()
  })
}
