import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startServer, type UserServer, userProject } from './setup/user-project.js'
import { stream } from './support/sse.js'
import { until } from './support/wait.js'

const page = readFileSync(join(fileURLToPath(new URL('../', import.meta.url)), 'docs/recipes.md'), 'utf8')
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    ([, code]) => code as string,
  )

describe('docs/recipes.md', () => {
  let server: UserServer

  before(async () => {
    const app = [...blocks('js'), 'app.use(router.routes())\napp.listen(process.env.PORT)\n'].join('\n')
    const [env = ''] = blocks('ini')
    const libraries = ['koa', '@koa/router', 'better-sqlite3']
    const root = userProject({ 'app.mjs': app, '.env': env }, 'module', libraries)
    server = await startServer(root, ['--env-file=.env', 'app.mjs'])
  })
  after(() => server.stop())

  const paths = [...page.matchAll(/router\.get\('([^']+)'/g)].map(
    ([, path]) => path?.replace(/:\w+/, '1') as string,
  )

  for (const path of [...paths, '/sse/stream']) {
    it(`has a stream that opens: ${path}`, async () => {
      const client = await stream(`${server.address}${path}`)
      client.close()
      expect(client.status).to.equal(200)
      expect(client.ofType('ready')).to.have.lengthOf(1)
    })
  }

  const post = (path: string) =>
    fetch(`${server.address}${path}`, { method: 'POST', headers: { Connection: 'close' } })

  it('has an answer that is there as a whole for who comes late, and then its end', async () => {
    expect((await post('/answers/2')).status).to.equal(202)
    const client = await stream(`${server.address}/answers/2.sse`)
    await until(() => client.isDone(), 'the end')
    expect(client.payloads()).to.deep.equal(['Forty', '-', 'two'])
  })

  it('has a job that ends with its reason', async () => {
    const client = await stream(`${server.address}/jobs/2.sse`)
    expect((await post('/jobs/2/stop')).status).to.equal(204)
    await until(() => client.isDone() && client.ended, 'the end')
    expect(client.ofType('end').map(({ data }) => data)).to.deep.equal(['{"reason":"stopped"}'])
  })

  it('has an order whose event comes with its row', async () => {
    const client = await stream(`${server.address}/orders.sse`)
    const order = (await (await post('/orders')).json()) as { id: number }
    await until(() => client.payloads().length > 0, 'the order')
    client.close()
    expect(client.payloads()).to.deep.equal([{ ...order, total: 12.5 }])
  })
})
