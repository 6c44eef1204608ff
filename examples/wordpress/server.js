// The Node app beside WordPress: it streams what the plugin signals. Under a panel it is started by app.cjs, as in
// examples/passenger; elsewhere: PORT=3000 node server.js
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'

/** As WooCommerce makes them. They are secrets: whoever knows one may see the order on WooCommerce's own page too. */
const ORDER_KEY = /^wc_order_[A-Za-z0-9]{8,64}$/

const events = createFileSignal()
const router = new Router({ prefix: process.env.PASSENGER_BASE_URI ?? '/live' })

router.get('/posts.sse', events.stream('posts'))

// The newest status comes at once: it may have changed between WordPress' page and its stream.
router.get(
  '/order.sse',
  events.stream(({ query }) => (ORDER_KEY.test(query.key) ? `order:${query.key}` : null), { replay: 'last' }),
)

const app = new Koa()
app.use(router.routes())
const server = app.listen(process.env.PORT ?? 3000, () =>
  console.log(`listening on ${server.address().port}`),
)

process.once('SIGTERM', async () => {
  server.close()
  await events.close()
  server.closeAllConnections()
})
