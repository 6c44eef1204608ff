import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { withNode } from './drivers/cache.js'
import { findNode, INSTALL, NODE_24 } from './drivers/nodes.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
/** Folder → what is installed into it. */
const COMPILERS = Object.freeze({ ts50: 'typescript@5.0.4', ts59: 'typescript@5.9.3' })

const ESM = `import { createFileSignal, signal } from 'file-signal'
const events = createFileSignal()
try {
  const { stored } = await events.signal('a', 1)
  console.log(stored, typeof signal)
} catch (error) {
  console.log(error.message)
}
await events.close()
`
const CJS = `const { createFileSignal, signal } = require('file-signal')
const events = createFileSignal()
events.signal('a', 1)
  .then(({ stored }) => console.log(stored, typeof signal), (error) => console.log(error.message))
  .then(() => events.close())
`

/** A program in TypeScript that uses most of the interface; it must not know Koa's types. */
const PROGRAM = `import { createFileSignal, type Event, FileSignalError, memory, memorySignal, signal } from 'file-signal'
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
export async function listen(seen: (event: Event) => void): Promise<void> {
  for await (const event of events.subscribe(['a', 'b'])) seen(event)
  await events.close()
}
export const publisher: Promise<{ id: string }> = signal('orders', 1)
`

describe('the package, packed and installed into an empty project', function () {
  this.timeout(180_000)

  let tarball: string
  let root: string

  before(function () {
    const folder = freshFolder()
    run(here, 'npm', 'pack', '--ignore-scripts', '--pack-destination', folder)
    tarball = join(folder, readdirSync(folder)[0] as string)
    root = freshFolder()
    const compilers = Object.entries(COMPILERS).map(([name, spec]) => `${name}@npm:${spec}`)
    const { status, stderr } = install(root, tarball, '@types/node@20', ...compilers)
    if (status === 0) return
    if (!process.env.CI && /ENOTFOUND|EAI_AGAIN|ECONNREFUSED/.test(stderr))
      skip(this, 'no package registry here')
    throw new Error(stderr)
  })

  /** Without install scripts, as npm 12 does it of itself. */
  function install(into: string, ...specs: string[]): SpawnSyncReturns<string> {
    writeFileSync(join(into, 'package.json'), '{"name":"an-app","private":true}')
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    return spawnSync('npm', ['install', ...flags, ...specs], { cwd: into, encoding: 'utf8' })
  }

  function run(cwd: string, program: string, ...args: string[]): string {
    const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${error ?? ''}${stdout}${stderr}`)
    return stdout
  }

  for (const [name, text] of [
    ['app.mjs', ESM],
    ['app.cjs', CJS],
  ] as const) {
    it(`works without install scripts, or says how to get a driver: ${name}`, () => {
      writeFileSync(join(root, name), text)
      const out = run(root, process.execPath, '--no-warnings', name)
      if (isBuiltin('node:sqlite')) expect(out).to.equal('true function\n')
      else {
        expect(out).to.match(/^SQLITE_MISSING: better-sqlite3 12[.\d]+ was installed without its binary/)
        expect(out).to.match(/run: npm rebuild better-sqlite3 .*npm install-scripts approve better-sqlite3/)
      }
    })
  }

  it('works on Node 24 without install scripts, with a better-sqlite3 that needs none', function () {
    const node = findNode(NODE_24)
    if (!node) {
      if (process.env.CI) throw new Error('Node 24 was to be installed')
      skip(this, `Node 24 is not installed for the tests; run: ${INSTALL}`)
    }
    const project = freshFolder()
    const env = { ...process.env, ...withNode(node) }
    writeFileSync(join(project, 'package.json'), '{"name":"an-app","private":true}')
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    const done = spawnSync('npm', ['install', ...flags, tarball], { cwd: project, encoding: 'utf8', env })
    expect(done.status, done.stderr).to.equal(0)
    for (const [name, text] of [
      ['app.mjs', ESM],
      ['app.cjs', CJS],
    ] as const) {
      writeFileSync(join(project, name), text)
      const { stdout, stderr } = spawnSync(node, [name], { cwd: project, encoding: 'utf8' })
      expect({ stdout, stderr }).to.deep.equal({ stdout: 'true function\n', stderr: '' })
    }
    const stats = spawnSync(node, ['node_modules/.bin/file-signal', 'stats'], {
      cwd: project,
      encoding: 'utf8',
    })
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

    for (const [compiler, folder] of Object.entries(compilers)) {
      for (const [moduleResolution, module] of Object.entries(resolutions)) {
        for (const [what, options] of Object.entries(settings)) {
          it(`with ${compiler}, ${moduleResolution} resolution and ${what}`, () => {
            const { stdout, status } = compile(folder(), { module, moduleResolution, ...options })
            expect({ status, stdout }).to.deep.equal({ status: 0, stdout: '' })
          })
        }
      }
    }

    it('and finds a wrong call', () => {
      const { stdout } = compile(
        join(root, 'node_modules/ts59'),
        { module: 'nodenext' },
        `${PROGRAM}\nevents.signal(1)\nevents.close(2)\n`,
      )
      expect(stdout.match(/error TS\d+/g)).to.have.length(4, 'two in each file')
    })

    function compile(compiler: string, options: object, text = PROGRAM): SpawnSyncReturns<string> {
      const project = join(root, 'typed')
      mkdirSync(project, { recursive: true })
      const { module } = options as { module: string }
      // That CommonJS may require an ES module is known to TypeScript from 5.8 on.
      const files = module === 'nodenext' && !compiler.endsWith('ts50') ? ['app.mts', 'app.cts'] : ['app.mts']
      for (const file of files) writeFileSync(join(project, file), text)
      const compilerOptions = { noEmit: true, strict: true, target: 'es2022', lib: ['es2022'], ...options }
      writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
      return spawnSync(process.execPath, [join(compiler, 'bin/tsc'), '-p', project], {
        encoding: 'utf8',
      })
    }
  })

  it('is clean by publint', () => {
    expect(run(here, 'npx', 'publint', 'run', tarball, '--strict')).to.include('All good!')
  })

  it('has types that are right for every kind of import, by attw', () => {
    // That require() of an ES module is an error was true before Node 20.19 and 22.12.
    run(here, 'npx', 'attw', tarball, '--ignore-rules', 'cjs-resolves-to-esm')
  })
})
