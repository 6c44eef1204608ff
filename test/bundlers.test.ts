import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { type BuildOptions, build } from 'esbuild'
import { copyBetterSqlite3 } from './loading/copies.js'
import { freshFolder } from './support/folder.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const { version } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8')) as { version: string }

/** A server that is bundled; its own version is another, as in any application. */
const SERVER = `import { createFileSignal } from 'file-signal'
import http from 'node:http'
import Koa from 'koa'
const events = createFileSignal()
const app = new Koa()
app.silent = true
for (const name of ['routes', 'inspector', 'metrics']) app.use(events[name]({ authorize: () => true }).routes())
async function main() {
  await events.signal('a', 1)
  const { process: own, store } = await events.stats()
  console.log('version', own.version, store.driver.name)
  const server = http.createServer(app.callback()).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const ask = async (path) => {
    const response = await fetch('http://127.0.0.1:' + server.address().port + path, { headers: { Connection: 'close' } })
    console.log(path, response.status, (await response.text()).length > 500)
  }
  for (const path of ['/sse-client.js', '/inspector/', '/inspector/page.js', '/inspector/page.css', '/metrics']) await ask(path)
  const stream = await fetch('http://127.0.0.1:' + server.address().port + '/stream/a.sse', { headers: { 'Last-Event-ID': '' } })
  await events.signal('a', { word: 'live' })
  const reader = stream.body.getReader()
  let text = ''
  while (!text.includes('live')) text += new TextDecoder().decode((await reader.read()).value)
  await reader.cancel()
  console.log('pruned', (await events.prune()).deleted >= 0)
  await events.close()
  server.close()
  server.closeAllConnections()
}
main().catch((error) => { console.log(error.code ?? error.name, error.message); process.exit(1) })
`
const REST = [
  '/sse-client.js 200 true',
  '/inspector/ 200 true',
  '/inspector/page.js 200 true',
  '/inspector/page.css 200 true',
  '/metrics 200 true',
  'pruned true',
]
/** A job that is bundled. */
const JOB = `import { createFileSignal } from 'file-signal'
const events = createFileSignal()
events.signal('a', 1).then(() => events.stats())
  .then(({ process: own, store }) => console.log('version', own.version, store.driver.name), (error) => console.log(error.code))
  .then(() => events.close())
`

/** What every ESM bundle needs that holds CommonJS, as Koa is. */
const BANNER = `import { createRequire as ownRequire } from 'node:module'; const require = ownRequire(import.meta.url);`

describe('a server that was bundled by esbuild', () => {
  /** Bundles it in a folder of its own, and then moves it to where nothing is installed but `libraries`. */
  async function bundled(
    format: 'cjs' | 'esm',
    libraries: readonly string[],
    options: BuildOptions = {},
    text = SERVER,
  ): Promise<{ root: string; run(): string[] }> {
    const workshop = freshFolder()
    const modules = join(workshop, 'node_modules')
    mkdirSync(modules)
    symlinkSync(HERE, join(modules, 'file-signal'))
    symlinkSync(join(HERE, 'node_modules/koa'), join(modules, 'koa'))
    const name = format === 'cjs' ? 'server.cjs' : 'server.mjs'
    const { warnings } = await build({
      stdin: { contents: text, resolveDir: workshop },
      bundle: true,
      platform: 'node',
      format,
      outfile: join(workshop, 'build', name),
      external: ['better-sqlite3'],
      logLevel: 'silent',
      ...(format === 'esm' ? { banner: { js: BANNER } } : {}),
      ...options,
    })
    // Those of packages are silent where they lie in a real node_modules.
    expect(warnings.filter(({ id }) => id !== 'empty-import-meta')).to.deep.equal([])
    const root = freshFolder()
    renameSync(join(workshop, 'build'), join(root, 'build'))
    writeFileSync(join(root, 'package.json'), '{"name":"shop","version":"7.7.7"}')
    mkdirSync(join(root, 'node_modules/@koa'), { recursive: true })
    for (const library of libraries) {
      if (library === 'better-sqlite3') copyBetterSqlite3(join(root, 'node_modules'))
      else symlinkSync(join(HERE, 'node_modules', library), join(root, 'node_modules', library))
    }
    return {
      root,
      run: () => {
        const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'build', name)], {
          cwd: '/',
          encoding: 'utf8',
          timeout: 20_000,
        })
        return `${stdout}${stderr}`.trim().split('\n')
      },
    }
  }

  const DRIVER = ['better-sqlite3', 'bindings', 'file-uri-to-path']
  const NEEDED = [...DRIVER, '@koa/router', 'prom-client']

  for (const format of ['cjs', 'esm'] as const) {
    it(`streams as ${format}, tells the package’s own version, and has the client and the inspector with it`, async () => {
      const { run } = await bundled(format, NEEDED)
      expect(run()).to.deep.equal([`version ${version} better-sqlite3`, ...REST])
    })
  }

  it('finds better-sqlite3 where the bundler wrote down the path of the machine that built it', async () => {
    const url = pathToFileURL('/builds/ci/node_modules/file-signal/dist/library.js').href
    const { run } = await bundled('cjs', DRIVER, { define: { 'import.meta.url': JSON.stringify(url) } }, JOB)
    expect(run()[0]).to.equal(`version ${version} better-sqlite3`)
  })

  it('needs no better-sqlite3 to be left out, for none is taken along', async () => {
    const { root, run } = await bundled('cjs', DRIVER, { external: [] }, JOB)
    expect(run()[0]).to.equal(`version ${version} better-sqlite3`)
    expect(readFileSync(join(root, 'build/server.cjs'), 'utf8')).not.to.include(
      'better_sqlite3.node not found',
    )
  })

  it('says what is missing where nothing is installed beside it', async () => {
    const { run } = await bundled('cjs', [])
    expect(run().join('\n')).to.match(/LIBRARY_MISSING: .*npm install @koa\/router/)
    const alone = await bundled('esm', [], { banner: {} }, JOB)
    const second = isBuiltin('node:sqlite') ? `version ${version} node:sqlite` : 'SQLITE_MISSING'
    expect(alone.run()[0]).to.equal(second)
  })

  it('cannot examine itself, and names the command that can', async () => {
    for (const format of ['cjs', 'esm'] as const) {
      const { run } = await bundled(
        format,
        DRIVER,
        {},
        `import { doctor } from 'file-signal'
         doctor().then(() => console.log('looked'), (error) => console.log(error.message))`,
      )
      expect(run()[0]).to.match(/^LIBRARY_MISSING: .*bundle.*npx file-signal doctor/)
    }
  })
})
