import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { DEFLATE_ALL, EVERYTHING, startApache } from './servers/apache.js'
import { needLayer } from './servers/need-servers.js'
import { HOSTILE_NGINX, startNginx } from './servers/nginx.js'
import type { ServerProcess } from './servers/process.js'
import { runCli } from './setup/cli.js'
import { createProject } from './setup/project.js'
import { freePort, get, listen } from './setup/web-server.js'

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

  for (const by of ['.htaccess', 'the file for its virtual host']) {
    it(`Apache answers streams with an empty one while the app is down, by ${by}`, async function () {
      needLayer(this, 'Apache')
      await runCli(root, ['init', '--yes', '--server', 'apache', '--port', String(await freePort())])
      const isBlock = by === '.htaccess'
      if (!isBlock) writeFileSync(join(root, '.htaccess'), '')
      server = await startApache({
        site: root,
        server: isBlock ? '' : `Include ${root}/apache/file-signal.conf`,
        modules: [...EVERYTHING, 'asis'],
      })
      const answer = await get(server.port, '/orders.sse')
      expect([answer.status, answer.headers['content-type']]).to.deep.equal([200, 'text/event-stream'])
      expect((await get(server.port, '/page.own')).status).to.equal(200)
    })
  }

  it('nginx takes the file for its server block', async function () {
    needLayer(this, 'nginx')
    await init('--server', 'nginx')
    server = await startNginx({ http: HOSTILE_NGINX, server: `include ${root}/nginx/file-signal.conf;` })
    await expectStream()
  })

  describe('in a folder with blanks and quotes, by the line that init prints,', () => {
    const printed = async (server: string): Promise<string> => {
      const odd = join(dirname(root), `the "big" shop; ü \\ 1`)
      renameSync(createProject(), odd)
      chmodSync(odd, 0o755)
      const { stdout } = await runCli(odd, ['init', '--yes', '--port', String(appPort), '--server', server])
      return /^ +1\. .*: (include .*)$/im.exec(stdout)?.[1] ?? 'no line'
    }

    it('nginx takes its file', async function () {
      needLayer(this, 'nginx')
      server = await startNginx({ server: await printed('nginx') })
      await expectStream()
    })

    it('Apache takes its file', async function () {
      needLayer(this, 'Apache')
      server = await startApache({ server: await printed('apache') })
      await expectStream()
    })
  })

  describe('with a store and a signal folder of other names', () => {
    const PLACES = ['--database', 'data/sales & Söhne {1}/store.db', '--directory', 'var/my sig;nals']
    const KEPT = [
      '/data/sales & Söhne {1}/store.db',
      '/data/sales & Söhne {1}/store.db-wal',
      '/data/sales & Söhne {1}/STORE.DB',
      '/var/my sig;nals/notes.txt',
      '/.env',
      '/.ENV',
      '/.file-signal.json',
    ]
    const SHARED = ['/data/prices.db', '/var/notes.txt', '/page.own']

    async function expectKept(): Promise<void> {
      for (const path of [...KEPT, ...SHARED]) {
        mkdirSync(dirname(join(root, path)), { recursive: true })
        writeFileSync(join(root, path), 'text')
        chmodSync(join(root, path), 0o644)
      }
      for (const path of ['data', 'data/sales & Söhne {1}', 'var', 'var/my sig;nals']) {
        chmodSync(join(root, path), 0o755)
        // The rule of the server is to do it alone.
        if (path.includes(' ')) rmSync(join(root, path, '.htaccess'))
      }
      const statuses = async (paths: readonly string[]) => {
        const answers = paths.map((path) => get(server?.port ?? 0, encodeURI(path)))
        return (await Promise.all(answers)).map(({ status }) => status)
      }
      const refused = await statuses(KEPT)
      expect(refused.filter((status) => status !== 404 && status !== 403)).to.deep.equal([])
      expect(await statuses(SHARED)).to.deep.equal(SHARED.map(() => 200))
    }

    it('nginx serves neither', async function () {
      needLayer(this, 'nginx')
      await init('--server', 'nginx', ...PLACES)
      server = await startNginx({ server: `root ${root}; include ${root}/nginx/file-signal.conf;` })
      await expectKept()
    })

    it('Apache serves neither by the block in .htaccess', async function () {
      needLayer(this, 'Apache')
      await init('--server', 'apache', ...PLACES)
      server = await startApache({ site: root, server: '' })
      await expectKept()
    })

    it('Apache serves neither by the file for its virtual host', async function () {
      needLayer(this, 'Apache')
      await init('--server', 'apache', ...PLACES)
      writeFileSync(join(root, '.htaccess'), '')
      server = await startApache({ site: root, server: `Include ${root}/apache/file-signal.conf` })
      await expectKept()
    })

    it('the file for the nginx of Passenger denies them too', async () => {
      await init('--server', 'passenger', '--database', 'var/store.db', '--directory', 'var/sig')
      const text = readFileSync(join(root, 'nginx/file-signal-passenger.conf'), 'utf8')
      expect(text).to.match(/^location ~\* \(.*\|\/store\\\.db\[\^\/\]\*\$\|\/var\/sig\/\) \{$/m)
    })

    it('a store without an ending takes no address of the app away', async function () {
      needLayer(this, 'nginx')
      await init('--server', 'nginx', '--database', 'data/orders', '--directory', '.')
      server = await startNginx({ server: `root ${root}; include ${root}/nginx/file-signal.conf;` })
      for (const path of ['data/orders', 'data/orders-wal', 'orders']) {
        writeFileSync(join(root, path), 'text')
        chmodSync(join(root, path), 0o644)
      }
      chmodSync(join(root, 'data'), 0o755)
      expect((await get(server.port, '/data/orders')).status).to.equal(404)
      expect((await get(server.port, '/data/orders-wal')).status).to.equal(404)
      expect((await get(server.port, '/orders')).status).to.equal(200)
      await expectStream()
    })
  })
})
