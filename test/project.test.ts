import { spawnSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type Diagnosis } from 'file-signal'
import { checkNear, checkProject } from '../dist/doctor/local/project.js'
import { checkOpenFiles, findStrays } from '../dist/doctor/local/strays.js'
import { findNearStores } from '../dist/near-stores.js'
import { createPaths } from '../dist/paths.js'
import { type Child, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'
import { until } from './support/wait.js'

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const STORE = 'data/sse_payloads.sqlite'

describe('the project that a process works in', () => {
  let place: string
  beforeEach(() => {
    place = freshFolder()
  })

  function project(path: string, more: object = {}): string {
    const folder = join(place, path)
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: path.replace(/.*\//, ''), ...more }))
    return folder
  }

  /** The command as npm installs it, for the project and the workspaces below it. */
  function install(folder: string): void {
    mkdirSync(join(folder, 'node_modules/.bin'), { recursive: true })
    symlinkSync(MAIN, join(folder, 'node_modules/.bin/file-signal'))
  }

  function command(cwd: string, installed: string, ...args: string[]) {
    const { FILE_SIGNAL_ROOT: _, ...env } = process.env
    const words = [join(installed, 'node_modules/.bin/file-signal'), '--json', ...args]
    const { stdout, stderr } = spawnSync(process.execPath, words, { cwd, env, encoding: 'utf8' })
    return { stdout: stdout === '' ? null : JSON.parse(stdout), stderr }
  }

  function check(root: string, database = STORE) {
    const paths = createPaths({ root, directory: null, database })
    const places = {
      root,
      store: paths.database(),
      directory: paths.directory(),
      signalFile: paths.signalFile(),
    }
    return { project: () => checkProject(paths, places), near: () => checkNear(places) }
  }

  async function publishIn(root: string): Promise<void> {
    const events = createFileSignal({ root })
    await events.signal('a', 1)
    await events.close()
  }

  describe('a copy whose .env names the original', () => {
    it('publishes there, and stats and doctor say so', async () => {
      const production = project('production')
      writeFileSync(join(production, '.env'), `FILE_SIGNAL_ROOT=${production}\n`)
      install(production)
      const staging = join(place, 'staging')
      cpSync(production, staging, { recursive: true, verbatimSymlinks: true })
      const { root, project: told } = command(staging, staging, 'stats').stdout
      expect([root.path, told.path]).to.deep.equal([production, staging])
      expect(told.notes).to.have.length(1)
      expect(told.notes[0])
        .to.include(
          `${join(staging, '.env')} names the root ${production}, which is not this project, ${staging}`,
        )
        .and.to.include('FILE_SIGNAL_ROOT=.')
      const found: Diagnosis = command(staging, staging, 'doctor').stdout
      const line = found.checks.find(({ name }) => name === 'project')
      expect(line).to.include({ group: 'files', status: 'warn' })
      expect(line?.seen).to.include(production).and.to.include(staging)

      writeFileSync(join(staging, '.env'), 'FILE_SIGNAL_ROOT=.\n')
      const mended = command(staging, staging, 'stats').stdout
      expect(mended.root.path).to.equal(staging)
      expect(mended.project).to.deep.equal({ path: staging, notes: [], openIn: [], near: [] })
    })

    it('also where a root is given on the command line, and where it is the store alone that lies there', async () => {
      const production = project('production')
      const staging = project('staging')
      const store = join(production, STORE)
      expect(await check(staging, store).project()).to.include({ status: 'warn' })
      expect((await check(staging, store).project()).seen).to.include(
        `lies in another project, ${production}`,
      )
      expect((await check(staging, join(place, 'shared/x.sqlite')).project()).status).to.equal('pass')
      writeFileSync(join(staging, '.env'), `\uFEFFPORT=1\nFILE_SIGNAL_ROOT="${production}"\n`)
      expect((await check(staging).project()).seen).to.include(`${join(staging, '.env')} names the root`)
    })

    it('a root around it is sharing, and no fault', async () => {
      const top = project('mono', { workspaces: ['apps/*'] })
      const web = project('mono/apps/web')
      writeFileSync(join(web, '.env'), 'FILE_SIGNAL_ROOT=../..\n')
      install(top)
      const { root, project: told } = command(web, top, 'stats').stdout
      expect(root.path).to.equal(top)
      expect(told.notes[0]).to.include(`the project ${web} shares its store`)
      expect((await check(web).project()).status).to.equal('pass')
    })
  })

  describe('other stores', () => {
    it('are found in the project, above, below and in its workspace, with who has them open', async () => {
      const top = project('mono', { workspaces: ['apps/*'] })
      const [web, api] = [project('mono/apps/web'), project('mono/apps/api')]
      install(top)
      expect((await check(web).near()).status).to.equal('pass')
      for (const root of [top, web, api]) await publishIn(root)
      mkdirSync(join(web, 'node_modules/other/data'), { recursive: true })
      writeFileSync(join(web, 'node_modules/other', STORE), '')
      symlinkSync(api, join(web, 'api'))
      expect(await findNearStores(web, join(web, STORE))).to.deep.equal([
        { path: join(top, STORE), where: 'above' },
        { path: join(api, STORE), where: 'beside' },
      ])
      expect((await findNearStores(top, join(top, STORE))).map(({ where }) => where)).to.deep.equal([
        'below',
        'below',
      ])
      expect(await findNearStores(web, join(web, 'own.sqlite'))).to.deep.include({
        path: join(web, STORE),
        where: 'here',
      })
      const events = createFileSignal({ root: top })
      try {
        await events.signal('a', 1)
        const { project: told } = command(web, top, 'stats').stdout
        expect(told.near.map(({ path }: { path: string }) => path)).to.deep.equal([
          join(top, STORE),
          join(api, STORE),
        ])
        if (told.openIn !== null) expect(told.near[0].openIn[0]).to.include({ pid: process.pid })
        const line = await check(web).near()
        expect(line).to.include({ status: 'warn' })
        expect(line.seen).to.include(`${join(top, STORE)} (above it`)
        expect(line.remedy).to.include('FILE_SIGNAL_ROOT=../..')
      } finally {
        await events.close()
      }
    })

    it('of packages beside it are only worth a word, as long as its own is used', async () => {
      project('mono', { workspaces: ['apps/*'] })
      const [web, api] = [project('mono/apps/web'), project('mono/apps/api')]
      for (const root of [web, api]) await publishIn(root)
      const { status, seen } = await check(web).near()
      expect(status).to.equal('pass')
      expect(seen).to.include(`${join(api, STORE)} (beside it, open nowhere)`)
    })
  })

  describe('releases', () => {
    it('a store inside of one is soon left behind; one that they share is not', async () => {
      const first = project('site/releases/1')
      const { status, seen, remedy } = await check(first).project()
      expect(status).to.equal('warn')
      expect(seen).to.include(`inside the release ${first}`).and.to.include('signal file')
      expect(remedy).to.include('linked_dirs').and.to.include('docs/deploying.md')
      for (const name of ['data', 'tmp']) {
        mkdirSync(join(place, 'site/shared', name), { recursive: true })
        symlinkSync(join(place, 'site/shared', name), join(first, name))
      }
      await publishIn(first)
      expect((await check(first).project()).status).to.equal('pass')
      expect(existsSync(join(place, 'site/shared', STORE))).to.equal(true)
    })

    it('are known by a link named current, too', async () => {
      const root = project('site/2026-11-28')
      expect((await check(root).project()).status).to.equal('pass')
      symlinkSync(root, join(place, 'site/current'))
      expect((await check(root).project()).seen).to.include(`inside the release ${root}`)
    })
  })

  describe('open files', () => {
    let child: Child | null = null
    afterEach(async () => {
      await child?.stop()
      child = null
    })

    async function hold(store: string): Promise<number> {
      child = start('store-open', [store])
      await until(() => child?.lines.includes('open'), 'the other program')
      return child.process.pid as number
    }

    const places = (root: string) => ({
      root,
      store: join(root, STORE),
      directory: join(root, 'tmp/sse_signals'),
      signalFile: join(root, 'tmp/sse_signals/events.signal'),
    })

    const losses: readonly [what: string, lost: string[], lose: (store: string) => void][] = [
      [
        '-wal and -shm deleted',
        ['-shm', '-wal'],
        (store) => {
          for (const end of ['-wal', '-shm']) unlinkSync(store + end)
        },
      ],
      ['-shm deleted', ['-shm'], (store) => unlinkSync(`${store}-shm`)],
      ['another -wal put in place', ['-wal'], (store) => replace(`${store}-wal`)],
      ['the store replaced', [''], (store) => replace(store)],
      ['all of it deleted', ['', '-shm', '-wal'], (store) => rmSync(dirname(store), { recursive: true })],
    ]
    for (const [what, lost, lose] of losses) {
      it(`${what}: doctor names the process, and what to do`, async function () {
        if (!existsSync('/proc/self/fd')) skip(this, 'this system does not list open files')
        const root = project('shop')
        await publishIn(root)
        const { store } = places(root)
        const pid = await hold(store)
        expect(findStrays(store)).to.deep.equal([])
        expect((await checkOpenFiles(places(root))).status).to.equal('pass')
        lose(store)
        const { status, seen, remedy, details } = await checkOpenFiles(places(root))
        const names = lost.map((end) => `sse_payloads.sqlite${end}`)
        expect(details.strays).to.have.length(1)
        expect((details.strays as object[])[0]).to.deep.include({ pid, files: names })
        expect(status).to.equal('fail')
        expect(seen)
          .to.include(`process ${pid} of `)
          .and.to.include(`has deleted ${names.join(', ')} open`)
        expect(remedy).to.include(`restart process ${pid}`)
      })
    }

    it('the command says so and fails, and a store of the same name elsewhere is nobody’s fault', async function () {
      if (!existsSync('/proc/self/fd')) skip(this, 'this system does not list open files')
      const [root, other] = [project('shop'), project('other')]
      for (const one of [root, other]) {
        install(one)
        await publishIn(one)
      }
      const pid = await hold(join(root, STORE))
      unlinkSync(join(root, `${STORE}-shm`))
      expect(findStrays(join(other, STORE))).to.deep.equal([])
      const found: Diagnosis = command(root, root, 'doctor').stdout
      expect(found.ok).to.equal(false)
      expect(found.checks.find(({ name }) => name === 'open files')).to.include({
        status: 'fail',
        group: 'files',
      })
      expect(found.checks.find(({ name }) => name === 'open files')?.seen).to.include(`process ${pid} of `)
    })
  })
})

function replace(path: string): void {
  writeFileSync(`${path}.new`, '')
  renameSync(`${path}.new`, path)
}
