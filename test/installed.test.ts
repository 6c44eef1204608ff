import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { findNode, INSTALL, NODE_24 } from './drivers/nodes.js'
import { createProject, type Project, pack } from './drivers/project.js'
import { sideBySide } from './support/side-by-side.js'
import { skip } from './support/skip.js'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
/** Folder → what is installed into it. */
const COMPILERS = Object.freeze({ ts50: 'typescript@5.0.4', ts59: 'typescript@5.9.3' })

/** A program in TypeScript that uses most of the interface; it must not know Koa's types. */
const PROGRAM = `import { createFileSignal, type Event, FileSignalError, memory, memorySignal, signal, type StreamOptions } from 'file-signal'
import { createServer as createServer1 } from 'node:http'
import { createServer as createServer2 } from 'node:http2'
const events = createFileSignal({ payload: memory(), signal: memorySignal(), retention: { maxAge: '1h' } })
export async function publish(total: number): Promise<string> {
  try {
    const { id, stored } = await events.signal('orders', { total }, { event: 'order' })
    return stored ? id : ''
  } catch (error) {
    if (error instanceof FileSignalError && error.code === 'STORE_BUSY') return error.remedy
    throw error
  }
}
export const middleware = events.stream((ctx) => (ctx.params.id === undefined ? null : 'order:' + ctx.params.id))
export const handler = events.handler((req) => req.headers.host ?? null, { replay: 'last' })
export const clock = events.streamFrom((ctx, { signal }) => (ctx === null && signal.aborted ? null : Date.now()), { share: true })
export const words = events.streamFrom(async function* (ctx, { lastEventId }) {
  yield [ctx.params.id, lastEventId]
})
export const lookUp = events.handlerFrom(({ req, res }) => [req.url, res.statusCode], { authorize: (req) => req.url !== '/' })
export const hydrated = [
  events.stream('a', { beforeSend: (event, ctx) => (ctx.state.user ? event.payload : null), onLoop: (ctx) => ctx.req }),
  events.stream((ctx) => ctx.path, { hydrate: 'each', beforeSend: async ({ payload }, { req }, { signal }) => [req.url, payload, signal.aborted] }),
  events.stream('a', { hydrate: 'once', beforeSend: (event, ctx) => none(ctx) ?? event.id, onLoop: ({ params }, { signal }) => [params.id, signal] }),
  events.routes({ authorize: () => true, hydrate: 'once', beforeSend: (event, ctx) => none(ctx), poll: '1s', onLoop: (ctx) => ctx.ip }),
]
export const raw = [
  events.handler('a', { beforeSend: (event, { req, res }) => ({ event: null, data: [req.url, res.statusCode, event.key] }) }),
  events.handler('a', { beforeSend: (event, context) => none(context), hydrate: 'once' }),
]
const common: StreamOptions = { heartbeat: '10s', beforeSend: ({ payload }) => payload }
export const servers = [createServer1(events.handler('a', common)), createServer2(events.handler('a', common)), createServer2(lookUp)]
function none(context: null): null {
  return context
}
export async function listen(seen: (event: Event) => void): Promise<void> {
  for await (const event of events.subscribe(['a', 'b'])) seen(event)
  await events.close()
}
export async function write(parts: ReadableStream<string>): Promise<string> {
  const writer = events.writer('a', { lease: '10s', event: 'part' })
  await parts.pipeTo(writer)
  const { id } = await events.writer(writer.key).from([1, 'b', { c: null }])
  return (await events.end('a', { reason: 'enough' })).id + id
}
export const settled: [Promise<number>, Promise<void>] = [events.transaction(() => 5), events.transaction(() => {})]
export const unsettled = [
  // @ts-expect-error
  events.transaction(async () => 5),
  // @ts-expect-error
  events.transaction(() => events.signal('a')),
]
export const publisher: Promise<{ id: string }> = signal('orders', 1)
`

/** A program of a page. */
const PAGE = `import { listen, type LiveState } from 'file-signal/client'
const live = listen(new URL('/orders.sse', location.href), { after: 'abcd-1', share: true, token: async () => 'secret' })
const off: () => void = live.on('order', (data, { id, key, event, createdAt }) => console.log(data, id, key, event, createdAt))
live.on('state', ({ state, reason, message, role }: LiveState) => console.log(state, reason, message, role))
export async function hear(): Promise<void> {
  for await (const { data } of live) console.log(data, live.lastEventId, live.state.state)
  off()
  live.close()
}
// @ts-expect-error
listen('/orders.sse', { shared: true })
`

interface Compiled {
  readonly status: number | null
  readonly stdout: string
}

describe('the package, packed and installed into an empty project', function () {
  this.timeout(180_000)

  let tarball: string
  let root: string
  let project: Project

  before(function () {
    tarball = pack()
    project = createProject()
    root = project.root
    const compilers = Object.entries(COMPILERS).map(([name, spec]) => `${name}@npm:${spec}`)
    const { status, stderr } = project.install(tarball, '@types/node@20', ...compilers)
    if (status === 0) return
    if (!process.env.CI && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED/.test(stderr))
      skip(this, 'no package registry here')
    throw new Error(stderr)
  })

  it('works without install scripts, or says how to get a driver, imported and required', () => {
    const major = Number.parseInt(project.betterSqlite3(), 10)
    for (const { stdout, stderr } of project.publish()) {
      expect(stderr).to.equal('')
      if (Number(process.versions.napi) >= 10) expect([stdout, major]).to.deep.equal(['better-sqlite3', 13])
      else if (isBuiltin('node:sqlite')) expect(stdout).to.equal('node:sqlite')
      else {
        expect(stdout).to.match(/^SQLITE_MISSING: better-sqlite3 12[.\d]+ was installed without its binary/)
        expect(stdout).to.match(/npm rebuild better-sqlite3 .*npm install-scripts approve better-sqlite3/)
      }
    }
  })

  it('works on Node 24 without install scripts, imported and required, with a better-sqlite3 that needs none', function () {
    const node = findNode(NODE_24)
    if (!node) {
      if (process.env.CI) throw new Error('Node 24 was to be installed')
      skip(this, `Node 24 is not installed for the tests; run: ${INSTALL}`)
    }
    const on24 = createProject({ node })
    const { status, stderr } = on24.install(tarball)
    expect(status, stderr).to.equal(0)
    expect(on24.publish()).to.deep.equal([
      { stdout: 'better-sqlite3', stderr: '' },
      { stdout: 'better-sqlite3', stderr: '' },
    ])
    const cli = join(on24.root, 'node_modules/.bin/file-signal')
    const stats = spawnSync(node, [cli, 'stats'], { cwd: on24.root, encoding: 'utf8' })
    expect(stats.stdout).to.match(/store\.driver\.name +better-sqlite3\n.*store\.driver\.version +13\./)
  })

  describe('compiles without skipLibCheck and without types of Koa', () => {
    const compilers = {
      'TypeScript 5.0': () => join(root, 'node_modules/ts50'),
      'TypeScript 5.9': () => join(root, 'node_modules/ts59'),
      'TypeScript 7': () => join(here, 'node_modules/typescript'),
    }
    const resolutions = { nodenext: 'nodenext', bundler: 'esnext' }
    // TypeScript 7 includes no types that are not named, as `types: []` does before.
    const settings = { 'types: []': { types: [] }, 'all types and lib: esnext': { lib: ['esnext'] } }

    // A compiler keeps one core busy; a third at a time would only take the others' time.
    const aside = sideBySide<undefined>((test) => test(undefined), 2)

    for (const [compiler, folder] of Object.entries(compilers)) {
      for (const [moduleResolution, module] of Object.entries(resolutions)) {
        for (const [what, options] of Object.entries(settings)) {
          aside(`with ${compiler}, ${moduleResolution} resolution and ${what}`, async () => {
            const compiled = await compile(folder(), { module, moduleResolution, ...options })
            expect(compiled).to.deep.equal({ status: 0, stdout: '' })
          })
        }
      }
    }

    for (const [compiler, folder] of Object.entries(compilers)) {
      aside(`with ${compiler}, in a page`, async () => {
        const options = { module: 'esnext', moduleResolution: 'bundler', types: [], lib: ['es2022', 'dom'] }
        expect(await compile(folder(), options, PAGE)).to.deep.equal({ status: 0, stdout: '' })
      })
    }

    aside('and finds a wrong call', async () => {
      const { stdout } = await compile(
        join(root, 'node_modules/ts59'),
        { module: 'nodenext' },
        `${PROGRAM}\nevents.signal(1)\nevents.close(2)\nevents.stream('a', { hydrate: 'once', beforeSend: (_, ctx) => ctx.path })\n`,
      )
      expect(stdout.match(/error TS\d+/g)).to.have.length(6, 'three in each file')
    })

    async function compile(compiler: string, options: object, text = PROGRAM): Promise<Compiled> {
      const folder = mkdtempSync(join(root, 'typed-'))
      const { module } = options as { module: string }
      const files = module === 'nodenext' ? ['app.mts', 'app.cts'] : ['app.mts']
      for (const file of files) writeFileSync(join(folder, file), text)
      const compilerOptions = { noEmit: true, strict: true, target: 'es2022', lib: ['es2022'], ...options }
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
      const child = spawn(process.execPath, [join(compiler, 'bin/tsc'), '-p', folder])
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (more: string) => {
        stdout += more
      })
      const [status] = await once(child, 'close')
      return { status, stdout }
    }
  })

  it('is clean by publint', () => {
    expect(check('publint', 'run', tarball, '--strict')).to.include('All good!')
  })

  it('has types that are right for every kind of import, by attw', () => {
    check('attw', tarball)
  })

  function check(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync('npx', args, { cwd: here, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stdout}${stderr}`)
    return stdout
  }
})
