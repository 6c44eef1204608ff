import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import chokidar from 'chokidar'
import { createFileSignal, type FileSignal, type FileSignalOptions } from 'file-signal'
import { findProgram, needProgram } from './setup/program.js'
import { run } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const page = readFileSync(join(HERE, 'docs/deploying.md'), 'utf8')
const block = (language: string, text: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, 'gm'))]
    .map(([, code]) => code as string)
    .find((code) => code.includes(text)) ?? ''

describe('docs/deploying.md', () => {
  let root: string
  beforeEach(() => {
    root = join(freshFolder(), 'orders')
    mkdirSync(root)
    writeFileSync(join(root, 'package.json'), '{ "name": "orders" }')
  })

  async function publish(options: FileSignalOptions, payload: unknown): Promise<string> {
    const events = createFileSignal(options)
    const { id } = await events.signal('a', payload)
    await events.close()
    return id
  }

  /** A stream of an instance of its own, while `work` runs. */
  async function streaming(
    options: FileSignalOptions,
    headers: Record<string, string>,
    work: (client: Client, events: FileSignal) => Promise<void>,
  ): Promise<void> {
    const events = createFileSignal(options)
    const server = createServer(events.handler('a'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const client = await stream(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, { headers })
    try {
      await work(client, events)
    } finally {
      client.close()
      await events.close()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  it('what pm2 is to ignore is all that an event changes', async () => {
    const file = join(freshFolder(), 'ecosystem.config.cjs')
    writeFileSync(file, block('js', 'ignore_watch'))
    const [app] = createRequire(import.meta.url)(file).apps
    await publish({ root }, 1)
    const seen = { all: [] as string[], left: [] as string[] }
    const watch = (ignored: string[], into: string[]) =>
      chokidar.watch('.', { cwd: root, ignored, ignoreInitial: true }).on('all', (_, path) => into.push(path))
    const watchers = [watch([], seen.all), watch(app.ignore_watch, seen.left)]
    try {
      await Promise.all(
        watchers.map((watcher) => new Promise<void>((resolve) => watcher.once('ready', resolve))),
      )
      await publish({ root }, 2)
      writeFileSync(join(root, 'server.js'), '')
      await until(() => seen.left.includes('server.js'), 'a change that counts')
      await until(() => seen.all.some((path) => path.startsWith('tmp')), 'the change of the signal file')
      expect(seen.left).to.deep.equal(['server.js'])
    } finally {
      await Promise.all(watchers.map((watcher) => watcher.close()))
    }
  })

  it('systemd understands the unit', function () {
    const analyze = findProgram('systemd-analyze') ?? skip(this, 'systemd-analyze is not installed')
    const unit = join(freshFolder(), 'orders.service')
    writeFileSync(unit, block('ini', '[Service]').replace('/srv/orders/current', '/'))
    const { status, stderr } = spawnSync(analyze, ['verify', '--man=no', unit], { encoding: 'utf8' })
    if (/Failed to (initialize manager|connect|setup|create)/i.test(stderr)) skip(this, stderr.trim())
    expect(stderr.split('\n').filter((line) => line.includes('orders.service'))).to.deep.equal([])
    expect(status, stderr).to.equal(0)
  })

  it('one volume is enough for two containers', async function () {
    const unshare = needProgram(this, 'unshare', 'util-linux')
    const prefix = [unshare, '--user', '--map-root-user', '--pid', '--fork', '--mount-proc', '--mount']
    const able = spawnSync(unshare, [...prefix.slice(1), 'true']).status === 0
    if (!able) skip(this, 'unshare cannot make namespaces here')
    const [, directory] = /FILE_SIGNAL_DIR: (\S+) \}/.exec(block('yaml', 'volumes')) ?? []
    expect(directory).to.equal('data/signals')
    // The two see one folder at different places, each under its own root.
    const other = join(dirname(root), 'worker')
    mkdirSync(other)
    mkdirSync(join(root, 'data'))
    symlinkSync(join(root, 'data'), join(other, 'data'))
    await streaming({ root, directory: 'data/signals' }, {}, async (client, events) => {
      const options = { root: other, directory }
      const setup = JSON.stringify({ key: 'a', count: 3, options })
      expect(await run('publish', [setup], { prefix })).to.include({ code: 0, stderr: '' })
      await until(() => client.payloads().length === 3, 'the events of the other container')
      const { mode, wakes } = (await events.stats()).streams
      expect(mode).to.equal('watch')
      expect(wakes.watch).to.be.above(0)
    })
  })

  it('a disk that vanished, and a store that was copied along, give who comes back one reset', async () => {
    const id = await publish({ root }, 1)
    const copy = join(dirname(root), 'copy')
    cpSync(root, copy, { recursive: true })
    for (const name of ['data', 'tmp']) rmSync(join(root, name), { recursive: true })
    for (const place of [root, copy]) {
      await publish({ root: place }, 'new')
      await streaming({ root: place }, { 'Last-Event-ID': id }, async (client) => {
        await until(() => client.ofType('reset').length > 0, 'the reset')
        await publish({ root: place }, 'next')
        await until(() => client.payloads().includes('next'), 'the next event')
        expect(client.ofType('reset')).to.have.lengthOf(1)
      })
    }
  })

  it('a publisher of another language finds the store by the lines that a shell reads', async function () {
    needProgram(this, 'sqlite3', 'sqlite3')
    await publish({ root }, 1)
    writeFileSync(join(root, '.env'), 'FILE_SIGNAL_ROOT=.\nFILE_SIGNAL_DATABASE=data/sse_payloads.sqlite\n')
    const lines = block('sh', 'set -a').replace('/srv/orders', root)
    const publisher = join(HERE, 'examples/publishers/file-signal.sh')
    const script = `${lines}\nsh "${publisher}" a '"from the shell"'`
    const { stdout, stderr } = spawnSync('sh', ['-c', script], { cwd: '/', encoding: 'utf8' })
    expect(stderr).to.equal('')
    expect(stdout.trim()).to.match(/-2$/)
  })

  it('the command by its full path finds the project from any folder', () => {
    mkdirSync(join(root, 'node_modules/.bin'), { recursive: true })
    symlinkSync(join(HERE, 'dist/cli/main.js'), join(root, 'node_modules/.bin/file-signal'))
    const line = block('sh', '.bin/file-signal stats').replace('/srv/orders', root)
    const env = { PATH: process.env.PATH, HOME: '/' }
    const { stdout, stderr } = spawnSync('sh', ['-c', line], { cwd: '/', env, encoding: 'utf8' })
    expect(stderr).to.equal('')
    expect(stdout).to.match(new RegExp(`^root\\.path +${root}$`, 'm'))
  })
})
