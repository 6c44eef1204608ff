import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { ERRORS } from 'file-signal'
import { userProject } from './setup/user-project.js'
import { freePort } from './setup/web-server.js'
import { freshFolder } from './support/folder.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
const readme = readFileSync(join(here, 'README.md'), 'utf8')

describe('the package', () => {
  describe('the README', () => {
    it('lists every error code with its meaning and remedy, and no other', () => {
      const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (.+) \| (.+) \|$/gm)].map(([, ...cells]) => cells)
      const wanted = Object.entries(ERRORS).map(([code, { when, remedy }]) => [code, when, remedy])
      expect(rows).to.deep.equal(wanted)
    })

    it('has a server and a publisher that work as they stand', async () => {
      const named = /^A [^\n`]*`([\w-]+\.\w+)`.*\n\n```js\n([\s\S]*?)```/gm
      const files = [...readme.matchAll(named)].map(([, name, code]) => [name as string, code as string])
      const root = userProject(Object.fromEntries(files), 'commonjs')
      const [[server], [publisher]] = files as [[string], [string]]
      const port = await freePort()
      const child = spawn(process.execPath, [server], {
        cwd: root,
        env: { ...process.env, PORT: String(port) },
        stdio: 'inherit',
      })
      const ended = new Promise((resolve) => child.once('close', resolve))
      let client: Client | null = null
      try {
        client = await until(() => stream(`http://127.0.0.1:${port}/orders.sse`), 'the server', 10_000)
        execFileSync(process.execPath, [join(root, publisher)], { cwd: '/' })
        await until(() => client?.payloads().length === 1, 'the order')
        expect(client.payloads()).to.deep.equal([{ id: 7, total: 12.5 }])
        const [, script = ''] = /import \{ listen \} from '([^']+)'/.exec(readme) ?? []
        const served = await fetch(`http://127.0.0.1:${port}${script}`, { headers: { Connection: 'close' } })
        expect(served.status).to.equal(200)
        expect(await served.text()).to.match(/export\s*\{[^}]*\blisten\b/)
      } finally {
        child.kill('SIGTERM')
        expect(await ended).to.equal(0)
        client?.close()
      }
    })
  })

  it('raises or reports every code of the catalogue in some test', () => {
    const tests = readdirSync(join(here, 'test')).filter((name) => name.endsWith('.test.ts'))
    const text = tests.map((name) => readFileSync(join(here, 'test', name), 'utf8')).join('\n')
    expect(
      Object.keys(ERRORS).filter((code) => !text.includes(`'${code}`) && !text.includes(`/^${code}`)),
    ).to.deep.equal([])
  })

  it('does nothing when it is imported: no listener, no handle, no file, no native code', () => {
    const root = userProject({
      'import.js': `
        const before = JSON.stringify(process.eventNames().map((name) => [name, process.listenerCount(name)]))
        const { createFileSignal } = await import('file-signal')
        createFileSignal()
        const after = JSON.stringify(process.eventNames().map((name) => [name, process.listenerCount(name)]))
        console.log(before === after, process.getActiveResourcesInfo().filter((kind) => kind === 'FSEventWrap').length)
        console.log(process.report.getReport().sharedObjects.some((path) => path.includes('better_sqlite3')))`,
    })
    const out = execFileSync(process.execPath, ['import.js'], { cwd: root, encoding: 'utf8' })
    expect(out).to.equal('true 0\nfalse\n')
    expect(readdirSync(root).sort()).to.deep.equal(['import.js', 'node_modules', 'package.json'])
  })

  it('says LIBRARY_MISSING and what to install where @koa/router or prom-client is not there', () => {
    const root = freshFolder()
    mkdirSync(join(root, 'node_modules/file-signal'), { recursive: true })
    cpSync(join(here, 'dist'), join(root, 'node_modules/file-signal/dist'), { recursive: true })
    cpSync(join(here, 'package.json'), join(root, 'node_modules/file-signal/package.json'))
    for (const name of ['bytes', 'ms', 'proxy-addr']) {
      symlinkSync(join(here, 'node_modules', name), join(root, 'node_modules', name))
    }
    writeFileSync(
      join(root, 'app.mjs'),
      `import { createFileSignal } from 'file-signal'
       try {
         createFileSignal()[process.argv[2]]({ authorize: () => true })
       } catch (error) {
         console.log(error.message)
       }`,
    )
    const call = (name: string) =>
      execFileSync(process.execPath, [join(root, 'app.mjs'), name], { encoding: 'utf8' })
    expect(call('routes')).to.match(/^LIBRARY_MISSING: .*npm install @koa\/router/)
    mkdirSync(join(root, 'node_modules/@koa'))
    symlinkSync(join(here, 'node_modules/@koa/router'), join(root, 'node_modules/@koa/router'))
    expect(call('metrics')).to.match(/^LIBRARY_MISSING: .*npm install prom-client/)
  })

  it('can be required from CommonJS, as the loaders of panels do', () => {
    const root = userProject({
      'app.cjs': `const { createFileSignal } = require('file-signal'); console.log(typeof createFileSignal().signal)`,
    })
    const args = Number(process.versions.node.split('.')[0]) > 20 ? [] : ['--no-warnings']
    const out = execFileSync(process.execPath, [...args, 'app.cjs'], { cwd: root, encoding: 'utf8' })
    expect(out).to.equal('function\n')
  })

  it('has the browser client as file-signal/client, which can be imported where there is no browser', () => {
    const root = userProject({
      'page.mjs': `import { listen } from 'file-signal/client'; console.log(typeof listen)`,
    })
    expect(execFileSync(process.execPath, ['page.mjs'], { cwd: root, encoding: 'utf8' })).to.equal(
      'function\n',
    )
  })

  it('ships the built code, the server files and the docs, and no test', () => {
    const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: here,
      encoding: 'utf8',
    })
    const [{ files }] = JSON.parse(out) as [{ files: { path: string }[] }]
    const paths = files.map(({ path }) => path)
    for (const path of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cjs/index.js',
      'dist/cjs/index.d.ts',
      'dist/cjs/client/sse-client.js',
      'dist/cli/main.js',
      'dist/client/sse-client.js',
      'dist/client/sse-client.d.ts',
      'dist/client/sse-client.global.js',
      'nginx/proxy.conf',
      'docs/protocol.md',
      'examples/publishers/file-signal.php',
      'examples/publishers/file-signal.sh',
      'examples/publishers/file_signal.py',
      'examples/publishers/file_signal.rb',
    ]) {
      expect(paths).to.include(path)
    }
    expect(paths).to.include('apache/.htaccess')
    expect(paths.filter((path) => /^(test|build|bench|node_modules)\//.test(path))).to.deep.equal([])
  })
})
