// The app behind every server of the matrix, as an ES module: a plain Koa app as the README shows it.
import Router from '@koa/router'
import { createFileSignal } from 'file-signal'
import Koa from 'koa'
import { addRoutes, endWith } from './routes.cjs'

const events = createFileSignal({ onError: (error) => console.error(error.message) })
const router = new Router()
const app = new Koa()
addRoutes({ app, router, events })
const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(server.address().port ?? server.address())
})
endWith({ server, events })
