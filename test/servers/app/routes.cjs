// What the app answers: streams for any key, and pages that say what the servers in front do to other paths.
const { setTimeout: pause } = require('node:timers/promises')
const { clientAddress } = require('file-signal')

/** The servers of a chain are all of this address; a client takes another one of the loopback. */
const addressOf = clientAddress({ trusted: '127.0.0.1' })

const PAGE = 'A page that compresses well.\n'.repeat(800)

exports.addRoutes = function addRoutes({ app, router, events }) {
  /** Key → responses that Node has not seen closed. */
  const open = new Map()

  app.use(async (ctx, next) => {
    const key = /^\/(?:quick\/sse|sse|stream)\/([^/.]+)(?:\.sse)?$/.exec(ctx.path)?.[1]
    if (key) {
      open.set(key, (open.get(key) ?? 0) + 1)
      ctx.res.once('close', () => open.set(key, open.get(key) - 1))
    }
    await next()
  })
  app.use(events.routes({ authorize: () => true }).routes())

  router.get(
    '/sse/:key',
    events.stream((ctx) => ctx.params.key),
  )
  // For tests that wait for a browser to come back.
  router.get(
    '/quick/sse/:key',
    events.stream((ctx) => ctx.params.key, { retry: [50, 60] }),
  )
  router.get('/open', (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { open: open.get(ctx.query.key) ?? 0 }
  })
  router.get('/seen', (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.body = { headers: ctx.req.headers, pid: process.pid }
  })
  // The address that the servers in front vouch for; the second path is one that our files take.
  router.get(['/address', '/address.sse'], (ctx) => {
    ctx.set('Cache-Control', 'no-store')
    ctx.body = addressOf(ctx.req)
  })
  router.get('/page.txt', (ctx) => {
    ctx.type = 'text/plain'
    ctx.body = PAGE
  })
  // A page in two parts: a server that buffers sends them together.
  router.get('/slow.txt', async (ctx) => {
    ctx.respond = false
    ctx.res.writeHead(200, { 'Content-Type': 'text/plain' })
    ctx.res.write('first\n')
    await pause(400)
    ctx.res.end('second\n')
  })
  // What an app says that is over its limits: a browser's EventSource gives up for ever at that.
  router.get(['/busy', '/busy.sse'], (ctx) => {
    ctx.status = 503
    ctx.body = 'Busy\n'
  })
  app.use(router.routes())
}

/** As an app should end: by a signal, or by Passenger's message. */
exports.endWith = function endWith({ server, events }) {
  async function stop() {
    server.close()
    await events.close()
    server.closeAllConnections()
  }
  process.once('SIGTERM', stop)
  process.once('message', async (message) => {
    if (message !== 'shutdown') return
    await stop()
    process.exit(0)
  })
}
