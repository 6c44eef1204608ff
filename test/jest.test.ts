import { spawnSync } from 'node:child_process'
import { expect } from 'chai'
import { INSTALL } from './drivers/nodes.js'
import { findJest } from './loading/jest.js'
import { userProject } from './setup/user-project.js'
import { skip } from './support/skip.js'

/** What an application's own test does, in CommonJS as NestJS sets it up. */
const TEST = `
const { createFileSignal, doctor, FileSignalError } = require('file-signal')
const { listen } = require('file-signal/client')
const http = require('node:http')

test('an event goes from a store to a stream', async () => {
  const events = createFileSignal()
  const app = new (require('koa'))()
  app.use(events.routes({ authorize: () => true }).routes())
  const server = http.createServer(app.callback()).listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const stream = await fetch('http://127.0.0.1:' + server.address().port + '/stream/a.sse')
  await events.signal('a', { word: 'live' })
  const reader = stream.body.getReader()
  let text = ''
  while (!text.includes('live')) text += new TextDecoder().decode((await reader.read()).value)
  await reader.cancel()
  await events.prune()
  const failed = await events.signal('', 1).catch((error) => error)
  expect(failed).toBeInstanceOf(FileSignalError)
  expect((await doctor().catch((error) => error)).message).toMatch(/^LIBRARY_MISSING: .*npx file-signal doctor/)
  expect(typeof listen).toBe('function')
  await events.close()
  server.close()
  server.closeAllConnections()
})
`

describe('an application’s tests under Jest, in CommonJS', () => {
  it('load the package, stream, and end by themselves', function () {
    const jest = findJest()
    if (!jest) {
      if (process.env.CI) throw new Error('Jest was to be installed')
      skip(this, `Jest is not installed for the tests; run: ${INSTALL}`)
    }
    const root = userProject({ 'app.test.js': TEST }, 'commonjs')
    const { status, stderr } = spawnSync(process.execPath, [jest, '--ci'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, FILE_SIGNAL_ROOT: root },
    })
    expect(stderr).to.include('Tests:       1 passed, 1 total')
    expect(stderr).not.to.include('did not exit')
    expect(status, stderr).to.equal(0)
  })
})
