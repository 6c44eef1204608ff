import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { installCopy } from './loading/copies.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'

describe('two copies of the package in one process', function () {
  this.timeout(60_000)

  let root: string

  before(() => {
    root = freshFolder()
    for (const name of ['app', 'plugin']) installCopy(join(root, name))
    writeFileSync(join(root, 'load.mjs'), LOAD)
  })

  /** Runs a program that has the application's ES modules as `app`, and its CommonJS and the plugin's as the others. */
  function run(text: string): string[] {
    const file = join(root, 'app/program.mjs')
    writeFileSync(file, `import { app, required, plugin } from '../load.mjs'\n${text}`)
    const out = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
      cwd: join(root, 'app'),
      encoding: 'utf8',
    })
    return out.trim().split('\n')
  }

  it('keep what was acknowledged when one closes and another program looks in', function () {
    needProgram(this, 'sqlite3', 'sqlite3')
    const [acknowledged, ...found] = run(`
      import { execFileSync } from 'node:child_process'
      const shell = (sql) => execFileSync('sqlite3', ['data/sse_payloads.sqlite', sql], { encoding: 'utf8' }).trim()
      const [first, second, third] = [app, plugin, required].map((copy) => copy.createFileSignal())
      const ids = []
      const say = async (events) => ids.push((await events.signal('a', ids.length)).id)
      await say(first)
      await say(second)
      await second.close()
      await say(third)
      shell('SELECT count(*) FROM events')
      await say(first)
      await third.close()
      shell('SELECT count(*) FROM events')
      await say(first)
      const { sharedObjects } = process.report.getReport()
      console.log(new Set(ids).size)
      console.log(shell('SELECT count(*) FROM events'))
      console.log(sharedObjects.filter((path) => path.endsWith('better_sqlite3.node')).length)
      await first.close()
      console.log(shell('SELECT count(*) FROM events'))`)
    expect(acknowledged).to.equal('5')
    expect(found).to.deep.equal(['5', '1', '5'])
  })

  it('have one default instance, and know each other’s errors', () => {
    const found = run(`
      await app.signal('b', 1)
      const [store] = (await plugin.signal('b', 2)).id.split('-')
      console.log((await required.signal('b', 3)).id.split('-')[0] === store)
      console.log(app.signal === required.signal, Object.getOwnPropertySymbols(globalThis).map(String).filter((name) => name.includes('file-signal')).join())
      for (const copy of [plugin, required]) {
        const error = await copy.createFileSignal().signal('').catch((error) => error)
        console.log(error.code, error instanceof app.FileSignalError, error.constructor === app.FileSignalError)
      }
      class Own extends app.FileSignalError {}
      const own = new Own('CLOSED', 'gone')
      console.log(own instanceof Own, own instanceof plugin.FileSignalError, new app.FileSignalError('CLOSED', 'gone') instanceof Own)
      console.log(new Error('CLOSED') instanceof app.FileSignalError, null instanceof app.FileSignalError)`)
    expect(found).to.deep.equal([
      'true',
      'false Symbol(file-signal)',
      'KEY_INVALID true false',
      'KEY_INVALID true false',
      'true true false',
      'false false',
    ])
  })

  it('refuse each other where their versions share different things', () => {
    const [message] = run(`
      globalThis[Symbol.for('file-signal')] = { shape: 2, version: '9.0.0', parts: {} }
      console.log(await app.signal('c', 1).catch((error) => error.message))
      console.log(await plugin.createFileSignal().signal('c', 1).catch((error) => error.message))`)
    expect(message).to.match(
      /^COPIES_DIFFER: file-signal 9\.0\.0 and \d+\.\d+\.\d+ are loaded in one process/,
    )
    expect(message).to.match(/npm ls file-signal.*npm dedupe/)
  })

  it('share the listener for the panel’s word, so that none takes another’s for one of the application’s', () => {
    const [listeners] = run(`
      import { createServer } from 'node:http'
      const copies = [app, plugin].map((copy) => copy.createFileSignal())
      const open = []
      for (const events of copies) {
        const server = createServer(events.handler('d')).listen(0)
        await new Promise((done) => server.once('listening', done))
        open.push(await fetch('http://127.0.0.1:' + server.address().port))
      }
      console.log(process.listenerCount('message'))
      process.exit()`)
    expect(listeners).to.equal('1')
  })
})

const LOAD = `import { createRequire } from 'node:module'
export * as app from './app/node_modules/file-signal/dist/index.js'
export * as plugin from './plugin/node_modules/file-signal/dist/index.js'
export const required = createRequire(import.meta.resolve('./app/index.js'))('file-signal')
`
