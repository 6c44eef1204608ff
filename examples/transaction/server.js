// An order and the event that tells of it are stored together, or neither is. node examples/transaction/server.js
import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Router from '@koa/router'
import Database from 'better-sqlite3'
import { createFileSignal, locate, sqlite } from 'file-signal'
import Koa from 'koa'

const folder = join(locate().root.path, 'data')
mkdirSync(folder, { recursive: true })
const db = new Database(join(folder, 'shop.sqlite'))
db.exec(`PRAGMA journal_mode = WAL;
  CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL)`)
const insert = db.prepare('INSERT INTO orders (total) VALUES (?)')
const list = db.prepare('SELECT id, total FROM orders ORDER BY id DESC LIMIT 20')

const events = createFileSignal({ payload: sqlite({ database: db }) })
const router = new Router()

router.get('/orders.sse', events.stream('orders'))
router.get('/orders.json', (ctx) => {
  ctx.body = list.all()
})

/** Half of the orders fail in the middle, when their row and their event are written already. */
router.post('/orders', async (ctx) => {
  try {
    await events.transaction(() => {
      const total = Math.ceil(Math.random() * 9000) / 100
      const { lastInsertRowid: id } = insert.run(total)
      events.signal('orders', { id, total })
      if (ctx.query.fail ?? Math.random() < 0.5) throw new Error('the card was refused')
    })
    ctx.status = 201
  } catch (error) {
    ctx.status = 402
    ctx.body = error.message
  }
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
    // Closed last: the events stand in it.
    db.close()
    server.closeAllConnections()
  })
}
