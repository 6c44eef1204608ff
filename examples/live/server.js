// A web app whose page watches a job of another process: node examples/live/server.js [FOLDER]
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

const PORT = Number(process.env.PORT || 3000)
const HERE = import.meta.dirname
const PROJECT = resolve(HERE, '../..')
// What is worked on is decided here, never by a request.
const FOLDER = resolve(process.argv[2] ?? join(PROJECT, 'node_modules'))

if (!statSync(FOLDER, { throwIfNoEntry: false })?.isDirectory()) {
  console.error(`${FOLDER} is not a folder`)
  process.exit(2)
}

const events = createFileSignal()
const app = new Koa()
const router = new Router()
let ownNames = []
let job = null

// The page and its job meet at one key. The page keeps no state of its own: whatever it shows follows from
// the events, so a reload or a second browser asks for all of them and stands where the first one stands.
router.get('/stream/jobs.sse', events.stream('jobs', { replay: 'all' }))

router.post('/jobs', onlyFromThisPage, async (ctx) => {
  if (job) ctx.throw(409, 'a job is running already')
  ctx.body = { job: await startJob() }
  ctx.status = 202
})

router.get('/about.json', async (ctx) => {
  ctx.body = { folder: FOLDER, command: await shellCommand() }
})

const PAGES = {
  '/': ['index.html', 'text/html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/job-view.js': ['job-view.js', 'text/javascript'],
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
app.use(router.allowedMethods())

const server = app.listen(PORT, '127.0.0.1', () => {
  const { port } = server.address()
  ownNames = [`127.0.0.1:${port}`, `localhost:${port}`]
  console.log(`Open http://127.0.0.1:${port} (it works on ${FOLDER})`)
})
server.on('error', (error) => {
  const remedy = error.code === 'EADDRINUSE' ? '; choose another: PORT=3001 npm start' : ''
  console.error(`Cannot listen on port ${PORT} (${error.code})${remedy}`)
  process.exitCode = 1
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop)

/** An open stream would keep server.close() waiting for ever, so streams end first; browsers reconnect later. */
async function stop() {
  server.close()
  await events.close()
  // Browsers open connections in advance, without a request; Node would wait for those for a minute.
  server.closeAllConnections()
}

/** A job is a process: it neither slows this one down nor ends with it. */
async function startJob() {
  const id = randomUUID()
  job = spawn(process.execPath, [join(HERE, 'job.js'), FOLDER, id], {
    detached: true,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  job.unref()
  job.once('error', (error) => jobEnded(id, error.message))
  job.once('exit', (code, signal) => jobEnded(id, code === 0 ? null : `it ended with ${signal ?? code}`))
  return id
}

/** A job that was killed cannot say so itself. */
async function jobEnded(id, reason) {
  job = null
  if (reason === null) return
  await events.signal('jobs', { job: id, at: Date.now(), reason }, { event: 'failed' }).catch(console.error)
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
async function shellCommand() {
  const { root } = await events.stats()
  const elsewhere = root && root.path !== PROJECT ? ` --root ${quote(root.path)}` : ''
  return `cd ${quote(PROJECT)} && npx file-signal${elsewhere} signal jobs '{"note":"hello"}' --event note`
}

function quote(path) {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", String.raw`'\''`)}'`
}
