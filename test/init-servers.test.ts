import { chmodSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { DEFLATE_ALL, startApache } from './servers/apache.js'
import { needLayer } from './servers/need-servers.js'
import { HOSTILE_NGINX, startNginx } from './servers/nginx.js'
import type { ServerProcess } from './servers/process.js'
import { runCli } from './setup/cli.js'
import { createProject } from './setup/project.js'
import { get, listen } from './setup/web-server.js'

describe('what init writes, under real servers', () => {
  let root: string
  let events: FileSignal
  let app: Server
  let appPort: number
  let server: ServerProcess | null

  beforeEach(async () => {
    root = createProject({
      '.htaccess': '# of the user\r\nAddType text/x-own .own',
      'page.own': 'a page\n'.repeat(100),
    })
    // Servers run as another user, and new temporary folders are private.
    for (const folder of [root, dirname(root)]) chmodSync(folder, 0o755)
    events = createFileSignal({ root })
    const stream = events.handler('orders', { replay: 'all' })
    app = createServer((request, response) => void stream(request, response))
    appPort = await listen(app)
    server = null
  })
  afterEach(async () => {
    await server?.stop()
    await events.close()
    app.closeAllConnections()
    await new Promise((resolve) => app.close(resolve))
  })

  const init = (...args: string[]) => runCli(root, ['init', '--yes', '--port', String(appPort), ...args])

  async function expectStream(): Promise<void> {
    await events.signal('orders', { id: 7 })
    const answer = await get(server?.port ?? 0, '/orders.sse', 'data: {"id":7}')
    expect(answer.status).to.equal(200)
    expect(answer.body).to.include('data: {"id":7}')
    expect(answer.headers['content-encoding']).to.equal(undefined)
  }

  it('Apache obeys the block in a .htaccess with Windows line ends, and serves neither settings nor folders', async function () {
    needLayer(this, 'Apache')
    expect((await init('--server', 'apache')).code).to.equal(0)
    expect(readFileSync(join(root, '.htaccess'), 'utf8').replaceAll('\r\n', '')).not.to.include('\n')
    for (const path of ['.env', 'data', 'data/.htaccess', 'data/.gitignore']) {
      chmodSync(join(root, path), path === 'data' ? 0o755 : 0o644)
    }
    server = await startApache({ site: root, server: DEFLATE_ALL })
    await expectStream()
    const page = await get(server.port, '/page.own')
    expect([page.status, page.headers['content-type'], page.headers['content-encoding']]).to.deep.equal([
      200,
      'text/x-own',
      'gzip',
    ])
    for (const path of ['/.env', '/.file-signal.json'])
      expect((await get(server.port, path)).status).to.equal(404)
    expect((await get(server.port, '/data/.gitignore')).status).to.be.above(399)
  })

  it('Apache takes the file for its virtual host', async function () {
    needLayer(this, 'Apache')
    await init('--server', 'apache')
    server = await startApache({ server: `${DEFLATE_ALL}\nInclude ${root}/apache/file-signal.conf` })
    await expectStream()
  })

  it('nginx takes the file for its server block', async function () {
    needLayer(this, 'nginx')
    await init('--server', 'nginx')
    server = await startNginx({ http: HOSTILE_NGINX, server: `include ${root}/nginx/file-signal.conf;` })
    await expectStream()
  })
})
