// The same app in CommonJS: require() must give the package to a start file that a panel requires.
const Router = require('@koa/router')
const { createFileSignal } = require('file-signal')
const Koa = require('koa')
const { addRoutes, endWith } = require('./routes.cjs')

const events = createFileSignal({ onError: (error) => console.error(error.message) })
const router = new Router()
const app = new Koa()
addRoutes({ app, router, events })
const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  console.log(server.address().port ?? server.address())
})
endWith({ server, events })
