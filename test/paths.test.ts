import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { createFileSignal, locate } from 'file-signal'
import { ERRORS, FileSignalError } from '../dist/errors.js'
import { createPaths, type PathOptions, type Surroundings } from '../dist/paths.js'
import { fixture } from './support/child.js'
import { freshFolder } from './support/folder.js'

const NONE: PathOptions = { root: null, directory: null, database: null }

describe('paths', () => {
  let place: string
  let app: string
  beforeEach(() => {
    place = freshFolder()
    app = join(place, 'app')
    file('app/package.json', '{ "name": "shop" }')
    file('app/jobs/job.js')
  })

  function file(path: string, content = ''): string {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    writeFileSync(join(place, path), content)
    return join(place, path)
  }

  function link(target: string, path: string): string {
    mkdirSync(dirname(join(place, path)), { recursive: true })
    symlinkSync(join(place, target), join(place, path))
    return join(place, path)
  }

  function at(surroundings: Partial<Surroundings>, options: Partial<PathOptions> = {}) {
    const cwd = () => join(place, 'elsewhere')
    mkdirSync(join(place, 'elsewhere'), { recursive: true })
    return createPaths({ ...NONE, ...options }, { env: {}, script: undefined, cwd, ...surroundings })
  }

  describe('the rules of the root, in order', () => {
    it('the option beats FILE_SIGNAL_ROOT', () => {
      mkdirSync(join(place, 'other'))
      const root = at({ env: { FILE_SIGNAL_ROOT: join(place, 'other') } }, { root: app }).root()
      expect(root).to.deep.equal({ path: app, rule: 'option root' })
    })

    it('FILE_SIGNAL_ROOT beats the panel and the script', () => {
      mkdirSync(join(place, 'other'))
      const env = { FILE_SIGNAL_ROOT: join(place, 'other'), LSNODE_ROOT: app }
      const root = at({ env, script: join(app, 'jobs/job.js') }).root()
      expect(root).to.deep.equal({ path: join(place, 'other'), rule: 'FILE_SIGNAL_ROOT' })
    })

    it('an empty FILE_SIGNAL_ROOT counts as none', () => {
      expect(at({ env: { FILE_SIGNAL_ROOT: '' }, script: join(app, 'jobs/job.js') }).root().path).to.equal(
        app,
      )
    })

    it('LSNODE_ROOT beats the script', () => {
      const script = file('panel/lsnode.js')
      file('panel/package.json', '{ "name": "panel" }')
      expect(at({ env: { LSNODE_ROOT: app }, script }).root()).to.deep.equal({
        path: app,
        rule: 'LSNODE_ROOT',
      })
    })

    it('under Passenger it is the working directory, with or without a package.json', () => {
      const script = file('passenger/helper-scripts/node-loader.js')
      file('passenger/package.json', '{ "name": "passenger" }')
      const rule = 'working directory under Passenger'
      const here = join(place, 'elsewhere')
      Object.assign(globalThis, { PhusionPassenger: {} })
      try {
        expect(at({ script }).root()).to.deep.equal({ path: here, rule })
      } finally {
        Reflect.deleteProperty(globalThis, 'PhusionPassenger')
      }
      expect(at({ script, env: { IN_PASSENGER: '1' } }).root()).to.deep.equal({ path: here, rule })
    })

    it('a child that inherits IN_PASSENGER in another folder keeps the root of its script', () => {
      const root = at({ script: join(app, 'jobs/job.js'), env: { IN_PASSENGER: '1' } }).root()
      expect(root.path).to.equal(app)
    })

    it('the nearest package.json with a name above the script', () => {
      file('app/jobs/package.json', '{ "type": "module" }')
      file('app/jobs/deep/package.json', 'not JSON')
      file('app/jobs/deep/down/package.json', '{ "name": "" }')
      const script = file('app/jobs/deep/down/job.js')
      const root = at({ script }).root()
      expect(root).to.deep.equal({ path: app, rule: `package.json above the script ${script}` })
    })

    it('a script given without its extension, or as a folder', () => {
      for (const script of [join(app, 'jobs/job'), join(app, 'jobs'), app]) {
        expect(at({ script }).root().path, script).to.equal(app)
      }
    })

    it('a linked script belongs to the project where it really is', () => {
      file('bin/package.json', '{ "name": "bin" }')
      const script = link('app/jobs/job.js', 'bin/job.js')
      expect(at({ script }).root().path).to.equal(app)
    })

    it('a linked release is named by its real path', () => {
      link('app', 'current')
      expect(at({ script: join(place, 'current/jobs/job.js') }).root().path).to.equal(app)
      expect(at({}, { root: join(place, 'current') }).root().path).to.equal(app)
    })

    it('pm2 names the script that its container runs', () => {
      const script = file('lib/node_modules/pm2/lib/ProcessContainerFork.js')
      file('lib/node_modules/pm2/package.json', '{ "name": "pm2" }')
      const env = { pm_exec_path: join(app, 'jobs/job.js') }
      expect(at({ script, env }).root().path).to.equal(app)
    })

    it('a child of an app under pm2 keeps the root of its own script', () => {
      file('other/package.json', '{ "name": "other" }')
      const env = { pm_exec_path: file('other/server.js') }
      expect(at({ script: join(app, 'jobs/job.js'), env }).root().path).to.equal(app)
    })

    it('a command in node_modules works for the project beside it', () => {
      const real = file('app/node_modules/tool/node_modules/inner/cli.js')
      file('app/node_modules/tool/package.json', '{ "name": "tool" }')
      const rule = (script: string) => `package.json beside the node_modules of ${script}`
      expect(at({ script: real }).root()).to.deep.equal({ path: app, rule: rule(real) })
      const bin = link('app/node_modules/tool/node_modules/inner/cli.js', 'app/node_modules/.bin/tool')
      expect(at({ script: bin }).root()).to.deep.equal({ path: app, rule: rule(bin) })
      const outside = link('app/node_modules/tool/node_modules/inner/cli.js', 'bin/tool')
      expect(at({ script: outside }).root()).to.deep.equal({ path: app, rule: rule(real) })
    })

    it('a package that is linked into node_modules works for the project, not for itself', () => {
      file('checkout/package.json', '{ "name": "tool" }')
      file('checkout/cli.js')
      const script = link('checkout/cli.js', 'app/node_modules/.bin/tool')
      expect(at({ script }).root().path).to.equal(app)
    })

    it('a command in a workspace whose packages are hoisted works for that workspace', () => {
      const script = file('app/node_modules/.bin/tool')
      file('app/packages/web/package.json', '{ "name": "web" }')
      file('app/packages/web/src/package.json', '{ "type": "module" }')
      for (const cwd of [join(app, 'packages/web'), join(app, 'packages/web/src')]) {
        const rule = `package.json above the working directory ${cwd}`
        expect(at({ script, cwd: () => cwd }).root()).to.deep.equal({ path: join(app, 'packages/web'), rule })
      }
      // Started at the top, or by cron in another folder, it is the whole that it works for.
      for (const cwd of [app, join(app, 'packages'), place]) {
        expect(at({ script, cwd: () => cwd }).root().path, cwd).to.equal(app)
      }
    })

    it('a working directory inside node_modules is no workspace', () => {
      const script = file('app/node_modules/.bin/tool')
      file('app/node_modules/tool/package.json', '{ "name": "tool" }')
      file('app/packages/web/node_modules/tool/package.json', '{ "name": "tool" }')
      for (const cwd of ['node_modules/tool', 'packages/web/node_modules/tool']) {
        expect(at({ script, cwd: () => join(app, cwd) }).root().path).to.equal(app)
      }
    })

    it('the store that pnpm keeps packages in belongs to the whole, and its links to the workspace', () => {
      const real = file('app/node_modules/.pnpm/tool@1/node_modules/tool/cli.js')
      file('app/node_modules/.pnpm/tool@1/node_modules/tool/package.json', '{ "name": "tool" }')
      file('app/packages/web/package.json', '{ "name": "web" }')
      const web = join(app, 'packages/web')
      const linked = link(
        'app/node_modules/.pnpm/tool@1/node_modules/tool',
        'app/packages/web/node_modules/tool',
      )
      for (const script of [real, join(linked, 'cli.js')]) {
        expect(at({ script, cwd: () => web }).root().path, script).to.equal(web)
      }
      expect(at({ script: join(linked, 'cli.js') }).root().path).to.equal(web)
    })

    it('a relative FILE_SIGNAL_ROOT is seen from the project that is found without it', () => {
      file('app/packages/web/package.json', '{ "name": "web" }')
      const script = file('app/packages/web/server.js')
      const web = join(app, 'packages/web')
      for (const [value, path] of [
        ['.', web],
        ['./', web],
        ['../..', app],
        ['.\r', web],
      ] as const) {
        const root = at({ script, env: { FILE_SIGNAL_ROOT: value } }).root()
        expect(root.path, value).to.equal(path)
        expect(root.rule).to.include(`FILE_SIGNAL_ROOT=${value.trim()}, seen from ${web}: package.json above`)
      }
      expect(at({ env: { FILE_SIGNAL_ROOT: '../app' } }).root()).to.deep.equal({
        path: app,
        rule: 'FILE_SIGNAL_ROOT',
      })
      const nowhere = thrown(at({ script, env: { FILE_SIGNAL_ROOT: 'gone' } }).root)
      expect(nowhere).to.include({ code: 'ROOT_UNKNOWN' })
      expect(nowhere.message).to.include('FILE_SIGNAL_ROOT is "gone"')
    })

    it('a command from a cache without a name works for the working directory', () => {
      file('cache/package.json', '{ "dependencies": {} }')
      const script = file('cache/node_modules/.bin/tool')
      const cwd = join(app, 'jobs')
      const root = at({ script, cwd: () => cwd }).root()
      expect(root).to.deep.equal({ path: app, rule: `package.json above the working directory ${cwd}` })
    })

    it('without a script the nearest package.json with a name above the working directory', () => {
      expect(at({ cwd: () => join(app, 'jobs') }).root().path).to.equal(app)
      expect(at({ script: join(place, 'gone/eval'), cwd: () => app }).root().path).to.equal(app)
    })
  })

  describe('no root', () => {
    it('is ROOT_UNKNOWN, which names where it looked, and creates nothing', () => {
      const paths = at({ script: file('loose/job.js') })
      for (const path of [paths.root, paths.directory, paths.signalFile, paths.database]) {
        const error = thrown(path)
        expect(error).to.include({ code: 'ROOT_UNKNOWN', remedy: ERRORS.ROOT_UNKNOWN.remedy })
        expect(error.message).to.include(join(place, 'loose/job.js')).and.to.include(join(place, 'elsewhere'))
      }
      expect(readdirSync(join(place, 'elsewhere'))).to.deep.equal([])
      expect(readdirSync(join(place, 'loose'))).to.deep.equal(['job.js'])
    })

    it('survives a working directory that was deleted', () => {
      const cwd = () => {
        throw new Error('ENOENT: uv_cwd')
      }
      expect(thrown(at({ cwd }).root).code).to.equal('ROOT_UNKNOWN')
      expect(thrown(at({ cwd }, { root: 'app' }).root).code).to.equal('ROOT_UNKNOWN')
    })

    it('a root that is given and missing, or no folder, is named', () => {
      for (const path of [join(place, 'missing'), join(app, 'package.json')]) {
        const option = thrown(at({ cwd: () => app }, { root: path }).root)
        const variable = thrown(at({ cwd: () => app, env: { FILE_SIGNAL_ROOT: path } }).root)
        expect([option.code, variable.code]).to.deep.equal(['ROOT_UNKNOWN', 'ROOT_UNKNOWN'])
        expect(option.message).to.include(`option root is "${path}"`)
        expect(variable.message).to.include(`FILE_SIGNAL_ROOT is "${path}"`)
      }
    })
  })

  describe('the files', () => {
    it('lie in tmp and data under the root', () => {
      const paths = at({}, { root: app })
      expect(paths.directory()).to.equal(join(app, 'tmp/sse_signals'))
      expect(paths.signalFile()).to.equal(join(app, 'tmp/sse_signals/events.signal'))
      expect(paths.database()).to.equal(join(app, 'data/sse_payloads.sqlite'))
    })

    it('options beat the environment, relative ones are relative to the root', () => {
      const env = { FILE_SIGNAL_DIR: 'env/signals', FILE_SIGNAL_DATABASE: 'env/chat.sqlite' }
      const byEnv = at({ env }, { root: app })
      expect(byEnv.signalFile()).to.equal(join(app, 'env/signals/chat.signal'))
      expect(byEnv.database()).to.equal(join(app, 'env/chat.sqlite'))
      const byOption = at({ env }, { root: app, directory: '../signals', database: 'jobs/x.db' })
      expect(byOption.signalFile()).to.equal(join(place, 'signals/x.signal'))
      expect(byOption.database()).to.equal(join(app, 'jobs/x.db'))
    })

    it('do without the carriage return that a shell leaves, which has read a .env with Windows line ends', () => {
      const env = { FILE_SIGNAL_ROOT: `${app}\r`, FILE_SIGNAL_DIR: 'var/wake\r', FILE_SIGNAL_DATABASE: '\r' }
      const paths = at({ env })
      expect(paths.signalFile()).to.equal(join(app, 'var/wake/events.signal'))
      expect(paths.database()).to.equal(join(app, 'data/sse_payloads.sqlite'))
    })

    it('absolute ones need no root', () => {
      const paths = at({}, { directory: '/srv/signals', database: '/srv/data/sse_payloads.sqlite' })
      expect(paths.signalFile()).to.equal('/srv/signals/events.signal')
      expect(paths.database()).to.equal('/srv/data/sse_payloads.sqlite')
      expect(thrown(paths.root).code).to.equal('ROOT_UNKNOWN')
    })

    it('two stores of one project have two signal files', () => {
      const names = ['data/sse_payloads.sqlite', 'data/events.sqlite', 'data/chat.sqlite', 'data/jobs.db']
      const files = names.map((database) => at({}, { root: app, database }).signalFile())
      expect(new Set(files)).to.have.property('size', names.length)
    })

    it('are looked for once, and not before they are asked for', () => {
      let asked = 0
      const cwd = () => {
        asked += 1
        return app
      }
      const paths = at({ cwd })
      expect(asked).to.equal(0)
      paths.directory()
      const before = asked
      rmSync(join(app, 'package.json'))
      expect(paths.root().path).to.equal(app)
      expect(paths.database()).to.equal(join(app, 'data/sse_payloads.sqlite'))
      expect(asked).to.equal(before)
    })
  })

  describe('real processes', () => {
    const runFile = promisify(execFile)
    const PATHS_MODULE = fileURLToPath(new URL('../dist/paths.js', import.meta.url))

    async function print(args: string[], cwd: string, env: Record<string, string> = {}) {
      const { stdout } = await runFile(process.execPath, args, {
        cwd,
        env: { PATH: '/usr/bin:/bin', PATHS_MODULE, ...env },
      })
      return JSON.parse(stdout) as { path?: string; rule?: string; signalFile?: string; code?: string }
    }

    beforeEach(() => copyFileSync(fixture('paths-print'), file('app/print.mjs')))

    it('started in / finds the project of its script', async () => {
      const printed = await print([join(app, 'print.mjs')], '/')
      expect(printed.path).to.equal(app)
      expect(printed.signalFile).to.equal(join(app, 'tmp/sse_signals/events.signal'))
    })

    it('through a link in node_modules/.bin finds the project that it was called for', async () => {
      copyFileSync(fixture('paths-print'), file('checkout/print.mjs'))
      file('checkout/package.json', '{ "name": "tool" }')
      const bin = link('checkout/print.mjs', 'app/node_modules/.bin/tool')
      expect((await print([bin], '/')).path).to.equal(app)
    })

    it('from the command line finds the project of the working directory, and none in /', async () => {
      const code = ['--input-type=module', '-e', `await import(${JSON.stringify(join(app, 'print.mjs'))})`]
      expect((await print(code, join(app, 'jobs'))).path).to.equal(app)
      expect((await print(code, '/')).code).to.equal('ROOT_UNKNOWN')
    })
  })

  describe('locate', () => {
    it('tells what stats() will tell, and creates nothing', async () => {
      const options = { root: app, directory: 'wake', database: 'deep/own.sqlite' }
      const places = locate(options)
      expect(readdirSync(app).sort()).to.deep.equal(['jobs', 'package.json'])
      const events = createFileSignal(options)
      const stats = await events.stats()
      await events.close()
      expect(places).to.deep.equal({
        root: stats.root,
        directory: join(app, 'wake'),
        signalFile: stats.signal.file,
        database: stats.store.place,
      })
    })

    it('throws ROOT_UNKNOWN and OPTION_INVALID as an instance does', () => {
      expect(thrown(() => locate({ root: join(place, 'nowhere') })).code).to.equal('ROOT_UNKNOWN')
      expect(thrown(() => locate({ root: '' })).code).to.equal('OPTION_INVALID')
    })
  })
})

function thrown(work: () => unknown): FileSignalError {
  try {
    work()
  } catch (error) {
    if (error instanceof FileSignalError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
