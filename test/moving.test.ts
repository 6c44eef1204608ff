import { execFileSync, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { EventSource } from 'eventsource'
import { interpreterOf, LANGUAGES, type Language } from './setup/publishers.js'
import { startServer, type UserServer, userProject } from './setup/user-project.js'
import { freePort } from './setup/web-server.js'
import { until } from './support/wait.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const CLI = join(HERE, 'dist/cli/main.js')
const page = readFileSync(join(HERE, 'docs/moving.md'), 'utf8')

/** The programs of the page, by the names that stand before them. */
const programs = Object.fromEntries(
  [...page.matchAll(/`([\w-]+\.mjs)`:\n\n```js\n([\s\S]*?)```/g)].map(([, name, code]) => [
    name,
    code as string,
  ]),
)

/** What a page that listens to these names has been told: `[name, data]`, in order, the data as it came. */
interface Listener {
  readonly heard: [string, string][]
  readonly source: EventSource
}

describe('docs/moving.md', () => {
  let server: UserServer | null
  let sources: EventSource[]
  let root: string

  beforeEach(() => {
    server = null
    sources = []
  })
  afterEach(async () => {
    for (const source of sources) source.close()
    await server?.stop()
  })

  /** Starts a program of the page as it stands, in a project with these libraries. */
  async function start(
    program: string,
    libraries?: string[],
    args: string[] = [],
    files: Record<string, string> = {},
  ) {
    root = userProject({ [program]: programs[program] as string, ...files }, 'module', libraries)
    server = await startServer(root, [...args, program])
    return server.address
  }

  async function listen(
    url: string,
    names: string[] = [],
    headers: Record<string, string> = {},
  ): Promise<Listener> {
    const source = new EventSource(url, {
      fetch: (address, init) => fetch(address, { ...init, headers: { ...init.headers, ...headers } }),
    })
    const heard: [string, string][] = []
    let isReady = false
    sources.push(source)
    source.addEventListener('ready', () => {
      isReady = true
    })
    for (const name of ['message', ...names]) {
      source.addEventListener(name, ({ data }) => void heard.push([name, data]))
    }
    await until(() => isReady, `ready of ${url}`)
    return { heard, source }
  }

  /** Signals from a shell, as cron does. */
  function signal(...words: string[]): void {
    execFileSync(process.execPath, [CLI, '--root', root, ...words], { cwd: '/' })
  }

  it('CodeIgniter: the same three lines of .env name the events of /sse/stream', async () => {
    const [, env = ''] = /^```ini\n(SSE_[\s\S]*?)```/m.exec(page) ?? []
    const address = await start('codeigniter.mjs', undefined, ['--env-file=.env'], { '.env': env })
    const { heard } = await listen(`${address}/sse/stream`, ['order_created', 'toast'])
    signal('signal', 'orders')
    signal('signal', 'user_toasts', '"hello"')
    await until(() => heard.length === 2, 'both events')
    const [[name, data], toast] = heard as [[string, string], [string, string]]
    expect(name).to.equal('order_created')
    const { timestamp } = JSON.parse(data)
    expect(timestamp).to.match(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    expect(Date.now() - Date.parse(timestamp)).to.be.within(0, 10_000)
    expect(toast).to.deep.equal(['toast', '"hello"'])
    const other = await fetch(`${address}/stream/others.sse`, { headers: { Connection: 'close' } })
    expect(other.status).to.equal(403)
  })

  it('CakePHP: a seed becomes a row at the moment of sending, a payload may name its event, a text arrives', async () => {
    const address = await start('cakephp.mjs')
    const names = ['report_ready', 'toast', 'update']
    const { heard } = await listen(`${address}/stream/reports.sse`, names)
    signal('signal', 'USER_QUEUE_1', '{"report_id":505}')
    signal('signal', 'USER_QUEUE_1', '{"event":"toast","message":"Done"}')
    signal('signal', 'USER_QUEUE_1', '"hello"')
    await until(() => heard.length === 3, 'three events')
    const [ready, ...rest] = heard as [[string, string], ...[string, string][]]
    expect(ready[0]).to.equal('report_ready')
    expect(JSON.parse(ready[1])).to.have.keys('event', 'data', 'timestamp')
    expect(JSON.parse(ready[1]).data).to.deep.equal({ id: 505, title: 'Q3' })
    expect(rest).to.deep.equal([
      ['toast', '{"event":"toast","message":"Done"}'],
      ['update', '"hello"'],
    ])
    // As a new page does, which gets the last one.
    const second = await listen(`${address}/stream/reports.sse`, names)
    await until(() => second.heard.length > 0, 'the last one')
    expect(second.heard).to.deep.equal([['update', '"hello"']])
  })

  it('Tiny: a callback, an iterator with its [DONE], and a key that ends', async () => {
    const address = await start('tiny.mjs')
    const load = await listen(`${address}/load.sse`)
    await until(() => load.heard.length > 0, 'the load')
    expect(JSON.parse(load.heard[0]?.[1] as string)).to.have.keys('ts', 'load')
    const answer = await listen(`${address}/answer.sse`)
    await until(() => answer.heard.length === 4, 'the answer')
    expect(answer.heard.map(([, data]) => data)).to.deep.equal(['"Forty"', '"-"', '"two"', '[DONE]'])
    const updates = await listen(`${address}/updates.sse`)
    signal('signal', 'user:42:updates', '"hello"')
    signal('signal', 'user:42:updates', '"[DONE]"')
    signal('end', 'user:42:updates')
    await until(() => updates.heard.length === 3, 'the end')
    expect(updates.heard.map(([, data]) => data)).to.deep.equal(['"hello"', '"[DONE]"', '[DONE]'])
  })

  it('Tiny: a trigger on a table of the application tells browsers what anybody writes', async () => {
    const address = await start('trigger.mjs', ['koa', '@koa/router', 'better-sqlite3'])
    const { heard } = await listen(`${address}/users.sse`)
    const writer = `require('better-sqlite3')('app.sqlite').exec("INSERT INTO users (name) VALUES ('Ann')")`
    execFileSync(process.execPath, ['-e', writer], { cwd: root })
    await until(() => heard.length > 0, 'Ann')
    expect(heard).to.deep.equal([['message', '{"id":1,"name":"Ann"}']])
  })

  it('Tiny: what PostgreSQL notifies of is passed on', () => {
    // The library's face alone: the way through a real PostgreSQL is not ours.
    const pg = `
      import { EventEmitter } from 'node:events'
      class Client extends EventEmitter {
        async connect() {}
        async query(text) {
          setImmediate(() => this.emit('notification', { channel: text, payload: '{"id":7}' }))
        }
      }
      export default { Client }`
    root = userProject({
      'pass-on.mjs': programs['pass-on.mjs'] as string,
      'node_modules/pg/package.json': '{"type":"module","main":"index.js"}',
      'node_modules/pg/index.js': pg,
    })
    execFileSync(process.execPath, ['pass-on.mjs'], { cwd: root })
    const stats = execFileSync(process.execPath, [CLI, '--root', root, '--json', 'stats'], {
      encoding: 'utf8',
    })
    expect(JSON.parse(stats).store).to.include({ rows: 1, keys: 1 })
  })

  it('better-sse: a channel is a key, an iterable is served', async () => {
    const address = await start('better-sse.mjs', ['express'])
    const room = await listen(`${address}/room`, ['join-notification'])
    await fetch(`${address}/join`, { method: 'POST', headers: { Connection: 'close' } })
    signal('signal', 'room', '"hello"')
    await until(() => room.heard.length === 2, 'both')
    expect(room.heard).to.deep.equal([
      ['join-notification', '"A user has joined."'],
      ['message', '"hello"'],
    ])
    const list = await listen(`${address}/list`, ['iteration'])
    await until(() => list.heard.length === 4, 'the list')
    expect(list.heard).to.deep.equal([
      ['iteration', '"my"'],
      ['iteration', '"huge"'],
      ['iteration', '"list"'],
      ['message', '[DONE]'],
    ])
  })

  it('solid_cable: a row and its event are committed together, and strangers refused', async () => {
    const address = await start('solid-cable.mjs', ['koa', '@koa/router', 'better-sqlite3'])
    const { heard } = await listen(`${address}/rooms/1.sse`)
    const post = { method: 'POST', headers: { Connection: 'close' } }
    expect(await (await fetch(`${address}/rooms/1/hello`, post)).json()).to.deep.equal({ id: 1 })
    await until(() => heard.length > 0, 'the message')
    expect(heard).to.deep.equal([['message', '{"id":1,"text":"hello"}']])
    const other = await fetch(`${address}/rooms/2.sse`, { headers: { Connection: 'close' } })
    expect(other.status).to.equal(403)
  })

  it('PHP that stays: it publishes, and says who somebody is', async function () {
    const php = interpreterOf(this, LANGUAGES.find(({ name }) => name === 'PHP') as Language)
    const [, me = ''] = /```php\n(<\?php\nsession_start[\s\S]*?)```/.exec(page) ?? []
    root = userProject({
      'beside-php.mjs': programs['beside-php.mjs'] as string,
      'me.php': me,
      'login.php': '<?php session_start(); $_SESSION["user_id"] = 42;',
      'push.php': `<?php require '${join(HERE, 'examples/publishers/file-signal.php')}'; echo file_signal('user:42', 'hello');`,
    })
    const address = `127.0.0.1:${await freePort()}`
    const web = spawn(php, ['-d', `session.save_path=${root}`, '-S', address, '-t', root], {
      env: { ...process.env, FILE_SIGNAL_ROOT: root },
      stdio: 'ignore',
    })
    const ended = new Promise((resolve) => web.once('close', resolve))
    const ask = (url: string) => fetch(url, { headers: { Connection: 'close' } })
    try {
      const login = await until(() => ask(`http://${address}/login.php`), 'PHP')
      const cookie = login.headers.get('set-cookie')?.split(';')[0] as string
      server = await startServer(root, ['beside-php.mjs'], { PHP_ADDRESS: `http://${address}` })
      expect((await ask(`${server.address}/mine.sse`)).status).to.equal(403)
      const { heard } = await listen(`${server.address}/mine.sse`, [], { Cookie: cookie })
      expect(await (await ask(`http://${address}/push.php`)).text()).to.match(/^[0-9a-z]{8}-\d+$/)
      await until(() => heard.length > 0, 'the greeting')
      expect(heard).to.deep.equal([['message', '"hello"']])
    } finally {
      web.kill('SIGTERM')
      await ended
    }
  })
})
