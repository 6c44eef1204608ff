import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startServer, type UserServer, userProject } from './setup/user-project.js'
import { stream } from './support/sse.js'

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
})
