// The web process: pages, one stream, two buttons. server.js starts it, and starts it again.
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const PORT = Number(process.env.PORT)
const HERE = import.meta.dirname
const PROJECT = resolve(HERE, '../..')
const [, , FOLDER] = process.argv

const events = createFileSignal()
const app = new Koa()
const router = new Router()
let ownNames = []
let isBusy = false

// The page and the job meet at one key. The page keeps no state of its own: whatever it shows follows from the events,
// so a reload or a second browser asks for all of them and stands where the first one stands. It is back soon after a
// restart, for here are few pages to come back at once.
const streams = events.routes({
  authorize: (_ctx, keys) => keys.every((key) => key === 'jobs'),
  replay: 'all',
  retry: '500ms',
})

// Whoever gets here is on this machine: see onlyUnderOwnName().
const inspector = events.inspector({ authorize: () => true })

router.post('/jobs', onlyFromThisPage, (ctx) => {
  if (isBusy) ctx.throw(409, 'a job is running already')
  isBusy = true
  tell({ start: true })
  ctx.status = 202
})

router.post('/restart', onlyFromThisPage, (ctx) => {
  const how = ctx.query.how === 'kill' ? 'kill' : 'deploy'
  // Who ends this process is asked once the answer is on its way.
  ctx.res.once('finish', () => tell({ restart: how }))
  ctx.status = 202
})

router.get('/about.json', async (ctx) => {
  const { root, streams } = await events.stats()
  ctx.set('Cache-Control', 'no-store')
  // Those of the inspector stand nowhere in the store.
  const open = streams.live + streams.behind
  ctx.body = { folder: FOLDER, command: shellCommand(root), pid: process.pid, streams: open }
})

const PAGES = {
  '/': ['index.html', 'text/html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/connection-view.js': ['connection-view.js', 'text/javascript'],
  '/job-view.js': ['job-view.js', 'text/javascript'],
  '/outage-view.js': ['outage-view.js', 'text/javascript'],
  '/text.js': ['text.js', 'text/javascript'],
  '/timeline.js': ['timeline.js', 'text/javascript'],
  '/style.css': ['style.css', 'text/css'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
}
for (const [path, [file, type]] of Object.entries(PAGES)) {
  router.get(path, async (ctx) => {
    ctx.type = type
    ctx.set('Cache-Control', 'no-cache')
    ctx.body = await readFile(join(HERE, file))
  })
}

app.use(onlyUnderOwnName)
app.use(secureHeaders)
app.use(router.routes())
app.use(streams.routes())
app.use(inspector.routes())
app.use(router.allowedMethods())

const server = app.listen(PORT, '127.0.0.1', () => {
  const { port } = server.address()
  ownNames = [`127.0.0.1:${port}`, `localhost:${port}`]
  tell({ listening: port })
})
server.on('error', (error) => {
  const remedy = error.code === 'EADDRINUSE' ? '; choose another: PORT=3001 npm start' : ''
  console.error(`Cannot listen on port ${PORT} (${error.code})${remedy}`)
  process.exit(1)
})

process.on('message', (told) => {
  isBusy = told.isBusy
})
// Where the part that stays is gone, nobody could restart this one any more.
process.once('disconnect', stop)
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => process.connected && process.disconnect())

/** Tells the part that stays. */
function tell(message) {
  if (process.connected) process.send(message)
}

/** An open stream would keep server.close() waiting for ever, so streams end first; browsers reconnect later. */
async function stop() {
  server.close()
  await events.close()
  // Browsers open connections in advance, without a request; Node would wait for those for a minute.
  server.closeAllConnections()
}

/** Another name that leads to this address (DNS rebinding) would let a foreign page read everything here. */
async function onlyUnderOwnName(ctx, next) {
  if (!ownNames.includes(ctx.host)) ctx.throw(403, 'unknown host')
  await next()
}

/** A foreign page can send a form to this address without being asked; its Origin gives it away. */
async function onlyFromThisPage(ctx, next) {
  if (ctx.get('Origin') !== `http://${ctx.host}`) ctx.throw(403, 'foreign origin')
  await next()
}

async function secureHeaders(ctx, next) {
  ctx.set({
    'Content-Security-Policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
  await next()
}

/** The line that signals this page from any terminal of this machine. */
function shellCommand(root) {
  const elsewhere = root && root.path !== PROJECT ? ` --root ${quote(root.path)}` : ''
  return `cd ${quote(PROJECT)} && npx file-signal${elsewhere} signal jobs '{"note":"hello"}' --event note`
}

function quote(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
