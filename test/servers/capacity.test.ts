import { readdirSync } from 'node:fs'
import http from 'node:http'
import { expect } from 'chai'
import { until } from '../support/wait.js'
import { startApache } from './apache.js'
import { type App, startApp } from './app.js'
import { needServers } from './need-servers.js'
import { nginxFile, startNginx } from './nginx.js'

/** The arithmetic of docs/hosting.md: what one open stream takes of each thing that a plan counts. */
describe('an open stream takes', function () {
  this.timeout(60_000)

  let requests: http.ClientRequest[]
  let app: App

  beforeEach(async () => {
    requests = []
    app = await startApp()
  })

  afterEach(async () => {
    for (const request of requests) request.destroy()
    await app.stop()
  })

  /** Asks for `count` streams at once, each on a connection of its own; resolves with what has answered so far. */
  function open(port: number, count: number): Asked {
    const asked: Asked = { open: 0, refused: 0 }
    for (let i = 0; i < count; i += 1) {
      const request = http.get({ host: '127.0.0.1', port, path: '/sse/a', agent: false }, (response) => {
        response.once('data', (chunk: Buffer) => {
          if (response.statusCode === 200 && !chunk.includes('restarting')) asked.open += 1
          else asked.refused += 1
        })
        response.on('error', () => {})
      })
      request.on('error', () => {
        asked.refused += 1
      })
      requests.push(request)
    }
    return asked
  }

  it('one descriptor of the Node process, and no thread', async () => {
    const take = () => ({
      descriptors: readdirSync(`/proc/${app.pid}/fd`).length,
      threads: readdirSync(`/proc/${app.pid}/task`).length,
    })
    // The first one opens the store and the watcher.
    const first = open(app.port, 1)
    await until(() => first.open === 1, 'the first stream')
    const before = take()
    const asked = open(app.port, 300)
    await until(() => asked.open === 300, 'all streams')
    const after = take()
    expect(after.descriptors - before.descriptors).to.be.within(300, 303)
    expect(after.threads).to.equal(before.threads)
  })

  it('two of nginx’s worker_connections', async function () {
    needServers(this, { layers: ['nginx'], http: 1 })
    const nginx = await startNginx({ server: nginxFile('proxy.conf', app.port) })
    const asked = open(nginx.port, 200)
    await until(() => asked.open + asked.refused === 200, 'an answer for all')
    expect(asked.open).to.be.within(115, 128)
    await nginx.stop()
  })

  it('one of Apache’s MaxRequestWorkers, and after the last one every page waits', async function () {
    needServers(this, { layers: ['Apache'], http: 1 })
    const apache = await startApache({ server: `ProxyPass / http://127.0.0.1:${app.port}/` })
    const asked = open(apache.port, 60)
    await until(() => asked.open === 50, 'as many streams as there are workers', 20_000)
    let answered = false
    const page = http.get({ host: '127.0.0.1', port: apache.port, path: '/page.txt', agent: false }, () => {
      answered = true
    })
    page.on('error', () => {})
    requests.push(page)
    await until(() => answered, 'the page', 1000).catch(() => {})
    expect({ ...asked, answered }).to.deep.equal({ open: 50, refused: 0, answered: false })
    await apache.stop()
  })
})

interface Asked {
  open: number
  refused: number
}
