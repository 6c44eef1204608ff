import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { runCli } from './setup/cli.js'
import { needProgram } from './setup/program.js'
import { createProject, timedTreeOf, treeOf } from './setup/project.js'
import { startTerminal } from './setup/terminal.js'

const FILES = { '.htaccess': 'Options -Indexes\n', '.env': 'PASSWORD=hunter2\n' }
const NEW = /Create what is new\?/
const ENV = /Change \.env as shown\?/
const HTACCESS = /Change \.htaccess as shown\?/

describe('in a terminal', () => {
  let script: string
  before(function () {
    script = needProgram(this, 'script', 'bsdutils')
  })

  it('init asks before each file that is there, shows what would change, and does what was answered with yes', async () => {
    const root = createProject(FILES)
    const terminal = startTerminal(script, root, 'init', '--server', 'apache')
    await terminal.see(NEW)
    expect(Object.keys(treeOf(root))).to.deep.equal(['.', '.env', '.htaccess', 'package.json'])
    terminal.type('y\r')
    const seen = await terminal.see(ENV)
    expect(seen).to.include('+FILE_SIGNAL_ROOT=').and.not.to.include('hunter2')
    terminal.type('y\r')
    expect(await terminal.see(HTACCESS)).to.include(' Options -Indexes')
    terminal.type('n\r')
    await terminal.see(/Next:/)
    expect(await terminal.ended).to.equal(0)
    expect(readFileSync(join(root, '.env'), 'utf8')).to.include('FILE_SIGNAL_ROOT')
    expect(existsSync(join(root, 'data/.htaccess'))).to.equal(true)
    expect(readFileSync(join(root, '.htaccess'), 'utf8')).to.equal(FILES['.htaccess'])
  })

  it('Enter means no, and nothing but no changes nothing', async () => {
    const root = createProject(FILES)
    const before = timedTreeOf(root)
    const terminal = startTerminal(script, root, 'init', '--server', 'apache')
    for (const question of [NEW, ENV, HTACCESS]) {
      await terminal.see(question)
      terminal.type('\r')
    }
    await terminal.see(/nothing was changed/)
    expect(await terminal.ended).to.equal(0)
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('Ctrl-C changes nothing, whatever was answered before', async () => {
    const root = createProject(FILES)
    const before = timedTreeOf(root)
    const terminal = startTerminal(script, root, 'init', '--server', 'apache')
    await terminal.see(NEW)
    terminal.type('y\r')
    await terminal.see(ENV)
    terminal.type('\x03')
    await terminal.see(/nothing was changed/)
    expect(await terminal.ended).to.equal(130)
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('what changes while a question waits is not overwritten', async () => {
    const root = createProject({ '.env': FILES['.env'] })
    const terminal = startTerminal(script, root, 'init')
    await terminal.see(NEW)
    terminal.type('y\r')
    await terminal.see(ENV)
    writeFileSync(join(root, '.env'), 'PASSWORD=other\n')
    const before = treeOf(root)
    terminal.type('y\r')
    await terminal.see(/SETUP_FAILED: .* was changed by another program meanwhile; run the command again/)
    expect(await terminal.ended).to.equal(1)
    expect(treeOf(root)).to.deep.equal(before)
  })

  it('uninstall asks too, and for the store by itself', async () => {
    const root = createProject(FILES)
    await runCli(root, ['init', '--yes', '--server', 'apache'])
    await runCli(root, ['signal', 'orders', '1'])
    const terminal = startTerminal(script, root, 'uninstall', '--data')
    await terminal.see(/Remove what init has made\?/)
    terminal.type('n\r')
    await terminal.see(ENV)
    terminal.type('y\r')
    await terminal.see(HTACCESS)
    terminal.type('y\r')
    await terminal.see(/Delete the store with all its events\? Stop the app first\./)
    terminal.type('n\r')
    expect(await terminal.ended).to.equal(0)
    expect(readFileSync(join(root, '.env'), 'utf8')).to.equal(FILES['.env'])
    expect(readFileSync(join(root, '.htaccess'), 'utf8')).to.equal(FILES['.htaccess'])
    expect(existsSync(join(root, 'public/js/sse-client.js'))).to.equal(true)
    expect(existsSync(join(root, 'data/sse_payloads.sqlite'))).to.equal(true)
    expect((await runCli(root, ['uninstall', '--yes', '--data'])).code).to.equal(0)
    expect(Object.keys(treeOf(root))).to.deep.equal(['.', '.env', '.htaccess', 'package.json'])
  })
})
