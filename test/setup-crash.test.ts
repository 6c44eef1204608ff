import { cpSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { FileSignalError } from 'file-signal'
import { perform } from '../dist/cli/setup/apply.js'
import { findBlock, renderBlock, withBlock } from '../dist/cli/setup/block.js'
import { formatManifest, sha256 } from '../dist/cli/setup/manifest.js'
import { planInit } from '../dist/cli/setup/plan-init.js'
import { planUninstall } from '../dist/cli/setup/plan-uninstall.js'
import { decide, findProject, listNamed } from '../dist/cli/setup/project.js'
import { type Plan, temporaryPath } from '../dist/cli/setup/step.js'
import { listWanted } from '../dist/cli/setup/wanted.js'
import { runCli, startCli } from './setup/cli.js'
import { createProject, treeOf } from './setup/project.js'
import { until } from './support/wait.js'

const FILES = { '.htaccess': '\ufeffOptions -Indexes\r\nX', '.env': 'A=1\n', 'public/index.html': '' }
const INIT = ['init', '--yes', '--server', 'nginx']
const UNINSTALL = ['uninstall', '--yes']

describe('init and uninstall, killed in between', () => {
  it('can be repeated, and taken back, after each step of init', async () => {
    const whole = await afterInit()
    const count = initPlan(createProject(FILES)).steps.length
    expect(count).to.be.above(12)
    for (let done = 0; done <= count; done += 1) {
      const root = createProject(FILES)
      const before = treeOf(root)
      performFirst(initPlan(root), done)
      const copy = `${root}-copy`
      cpSync(root, copy, { recursive: true, preserveTimestamps: true })

      expect((await runCli(root, INIT)).code, `after ${done} steps`).to.equal(0)
      expect(comparable(root), `after ${done} steps`).to.deep.equal(whole)
      expect((await runCli(copy, UNINSTALL)).code).to.equal(0)
      expect(treeOf(copy), `taken back after ${done} steps`).to.deep.equal(before)
    }
  })
    .timeout(120_000)
    .slow(60_000)

  it('can be repeated, and taken back, after each step of an update', async () => {
    const whole = await afterInit()
    const older = createProject(FILES)
    await runCli(older, INIT)
    makeOlder(older)
    const count = initPlan(older).steps.length
    expect(initPlan(older).steps.filter(({ action }) => action === 'change')).to.have.lengthOf(5)
    for (let done = 0; done <= count; done += 1) {
      const root = createProject(FILES)
      const before = treeOf(root)
      await runCli(root, INIT)
      makeOlder(root)
      performFirst(initPlan(root), done)
      const copy = `${root}-copy`
      cpSync(root, copy, { recursive: true, preserveTimestamps: true })

      const { code, stdout } = await runCli(root, INIT)
      expect(code, stdout).to.equal(0)
      expect(comparable(root), `after ${done} steps`).to.deep.equal(whole)
      expect((await runCli(copy, UNINSTALL)).code).to.equal(0)
      expect(treeOf(copy), `taken back after ${done} steps`).to.deep.equal(before)
    }
  })
    .timeout(120_000)
    .slow(60_000)

  it('can be repeated after each step of uninstall', async () => {
    const done = createProject(FILES)
    await runCli(done, INIT)
    const count = uninstallPlan(done).steps.length
    expect(count).to.be.above(8)
    for (let steps = 0; steps <= count; steps += 1) {
      const root = createProject(FILES)
      const before = treeOf(root)
      await runCli(root, INIT)
      performFirst(uninstallPlan(root), steps)
      expect((await runCli(root, UNINSTALL)).code, `after ${steps} steps`).to.equal(0)
      expect(treeOf(root), `after ${steps} steps`).to.deep.equal(before)
    }
  })
    .timeout(120_000)
    .slow(60_000)

  it('is repeated after SIGKILL at any line that it prints, and leaves no file and no lock of the killed one', async () => {
    const whole = await afterInit()
    const count = initPlan(createProject(FILES)).steps.length
    let killed = 0
    for (let line = 1; line <= count + 2; line += 1) {
      const root = createProject(FILES)
      const before = treeOf(root)
      killed += await killAtLine(root, INIT, line)
      expect((await runCli(root, INIT)).code, `killed at line ${line}`).to.equal(0)
      expect(comparable(root), `killed at line ${line}`).to.deep.equal(whole)
      killed += await killAtLine(root, UNINSTALL, line)
      expect((await runCli(root, UNINSTALL)).code, `killed at line ${line}`).to.equal(0)
      expect(treeOf(root), `killed at line ${line}`).to.deep.equal(before)
    }
    expect(killed).to.be.above(count / 2)
  })
    .timeout(120_000)
    .slow(90_000)

  it('clears a half-written file away, and does not take it for its own', async () => {
    const root = createProject(FILES)
    const left = ['.htaccess', '.env', '.file-signal.json', 'nginx/file-signal.conf']
    await runCli(root, INIT)
    for (const path of left) writeFileSync(temporaryPath(join(root, path)), 'half')
    const { stdout } = await runCli(root, [...INIT, '--server', 'litespeed'])
    expect(stdout).to.match(/^remove +\.htaccess\.file-signal-new +left behind by a run that was killed$/m)
    for (const path of left) expect(existsSync(temporaryPath(join(root, path)))).to.equal(false)
  })
})

describe('several inits at once', () => {
  it('come to the same as one', async () => {
    const whole = await afterInit()
    const root = createProject(FILES)
    const all = await Promise.all(Array.from({ length: 4 }, () => runCli(root, INIT)))
    expect(all.map(({ code, stderr }) => [code, stderr])).to.deep.equal(all.map(() => [0, '']))
    expect(all.filter(({ stdout }) => stdout.includes('Next:'))).to.have.lengthOf(1)
    expect(comparable(root)).to.deep.equal(whole)
  })

  it('for two servers lose neither', async () => {
    const root = createProject(FILES)
    const before = treeOf(root)
    await Promise.all(
      ['nginx', 'litespeed'].map((server) => runCli(root, ['init', '--yes', '--server', server])),
    )
    expect(existsSync(join(root, 'nginx/file-signal.conf'))).to.equal(true)
    expect((await runCli(root, INIT)).stdout).to.include('nothing was changed')
    await runCli(root, UNINSTALL)
    expect(treeOf(root)).to.deep.equal(before)
  })
})

describe('a change', () => {
  it('is not made to a file that holds something else than the plan was made from', () => {
    const root = createProject(FILES)
    const { steps } = initPlan(root)
    const step = steps.find(({ path }) => path === join(root, '.env'))
    writeFileSync(join(root, '.env'), 'A=2\n')
    const before = treeOf(root)
    expect(() => step?.change && perform(step.change))
      .to.throw(FileSignalError, /was changed by another program a moment ago; run the command again/)
      .with.property('code', 'SETUP_FAILED')
    expect(treeOf(root)).to.deep.equal(before)
  })
})

async function afterInit(): Promise<Record<string, string>> {
  const root = createProject(FILES)
  await runCli(root, INIT)
  return comparable(root)
}

/** Each project lies elsewhere, which its .env says. */
function comparable(root: string): Record<string, string> {
  const tree = treeOf(root)
  const texts = Object.entries(tree).map(([path, text]) => [
    path,
    path === '.env' || path === '.file-signal.json'
      ? text.replaceAll(dirname(root), '').replaceAll(/sha256[":]+\w+/g, '')
      : text,
  ])
  return Object.fromEntries(texts)
}

/** As an earlier version would have left it: other contents, with their checksums. */
function makeOlder(root: string): void {
  const place = join(root, '.file-signal.json')
  const manifest = JSON.parse(readFileSync(place, 'utf8'))
  for (const path of ['public/js/sse-client.js', 'nginx/file-signal.conf']) {
    writeFileSync(join(root, path), `older ${path}`)
    manifest.entries.find((entry: { path: string }) => entry.path === path).sha256 = sha256(`older ${path}`)
  }
  writeFileSync(place, formatManifest(manifest))
  const env = readFileSync(join(root, '.env'), 'latin1')
  const found = findBlock(env)
  if (found) writeFileSync(join(root, '.env'), withBlock(env, renderBlock('OLD=1\n', '0.0.1'), found))
}

function initPlan(root: string): Plan {
  const project = findProject({ root })
  const intent = decide(project, { server: 'nginx', web: null, port: null })
  return planInit({
    root,
    wanted: listWanted(intent),
    stored: project.stored,
    settings: {
      servers: intent.servers,
      web: null,
      port: null,
      directory: 'tmp/sse_signals',
      database: 'data/sse_payloads.sqlite',
    },
    version: '0.1.0',
    declined: new Set(),
  })
}

function uninstallPlan(root: string): Plan {
  const { places, stored } = findProject({ root })
  if (!stored) throw new Error('no manifest')
  const named = listNamed({ root }, null)
  return planUninstall({ root, places, stored, named, withData: false, declined: new Set() })
}

function performFirst({ steps }: Plan, count: number): void {
  for (const { change } of steps.slice(0, count)) if (change) perform(change)
}

/** Kills the command as soon as it has printed so many lines; 1 where it was still alive. */
async function killAtLine(root: string, args: readonly string[], line: number): Promise<number> {
  const cli = startCli(root, ...args)
  cli.process.stdout.on('data', () => {
    if (cli.lines().length >= line) cli.process.kill('SIGKILL')
  })
  await until(() => cli.lines().length >= line || cli.process.exitCode !== null, `line ${line}`)
  const { code } = await cli.ended
  const lock = join(root, '.file-signal.lock')
  // As if the 5 s had passed after which a lock counts as left behind.
  if (existsSync(lock)) utimesSync(lock, 0, 0)
  return code === null ? 1 : 0
}
