import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { runCli, startCli } from './setup/cli.js'
import { hold } from './setup/hold.js'
import { needProgram } from './setup/program.js'
import { headOf, storedEvents } from './setup/stored.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

describe('the command line: signal --many', () => {
  let root: string
  let events: FileSignal
  beforeEach(() => {
    root = freshFolder()
    events = createFileSignal({ root })
  })
  afterEach(() => events.close())

  const lines = (count: number) =>
    Array.from({ length: count }, (_, i) => JSON.stringify({ key: 'k', payload: i + 1 }))

  it('stores a line each, in order, over several batches; empty lines and CRLF do not matter', async () => {
    const input = `${lines(1200).join('\r\n')}\r\n\r\n`
    const { code, stdout, stderr } = await runCli(root, ['signal', '--many'], input)
    expect([code, stdout, stderr]).to.deep.equal([0, '1200 stored\n', ''])
    const payloads = (await storedEvents(events, 'k')).map((event) => event.payload)
    expect(payloads).to.deep.equal(Array.from({ length: 1200 }, (_, i) => i + 1))
  })

  it('gives KEY and --event to the lines that have none', async () => {
    const input = '{"payload":1}\n{"payload":2,"event":"own"}\n{"payload":3,"key":"other"}'
    const result = await runCli(root, ['signal', 'k', '--many', '--event', 'usual', '--json'], input)
    expect(JSON.parse(result.stdout)).to.deep.include({ stored: 3, repeated: 0 })
    expect((await storedEvents(events, 'k')).map((event) => event.event)).to.deep.equal(['usual', 'own'])
    expect((await storedEvents(events, 'other')).map((event) => event.event)).to.deep.equal(['usual'])
  })

  it('stores again what tail --json printed', async () => {
    await events.signal('k', { a: 1 }, { event: 'e' })
    await events.end('k')
    const { epoch } = (await events.stats()).store
    const copy = await runCli(root, ['tail', 'k', '--after', `${epoch}-0`, '--json'])
    const second = freshFolder()
    expect((await runCli(second, ['signal', '--many'], copy.stdout)).stdout).to.equal('1 stored\n')
  })

  const bad: [what: string, line: string | Buffer, code: string][] = [
    ['that is not JSON', '{oops', 'PAYLOAD_INVALID'],
    ['that is not UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'PAYLOAD_INVALID'],
    ['that is not an object', '17', 'BATCH_INVALID'],
    ['without a payload', '{"key":"k"}', 'BATCH_INVALID'],
    ['without a key', '{"payload":1}', 'BATCH_INVALID'],
    ['with an unknown name', '{"key":"k","paylod":1}', 'BATCH_INVALID'],
    ['with a bad key', '{"key":"a\\nb","payload":1}', 'KEY_INVALID'],
    ['with a reserved event', '{"key":"k","payload":1,"event":"open"}', 'EVENT_INVALID'],
    ['that is too large', JSON.stringify({ key: 'k', payload: 'x'.repeat(70_000) }), 'PAYLOAD_TOO_LARGE'],
  ]
  for (const [what, line, code] of bad) {
    it(`names a line ${what}, and stores nothing of its batch`, async () => {
      const all: (string | Buffer)[] = lines(1200)
      all[702] = line
      const input = Buffer.concat(all.flatMap((part) => [Buffer.from(part), Buffer.from('\n')]))
      const result = await runCli(root, ['signal', '--many', '--json'], input)
      expect(result.code).to.equal(2)
      expect(result.stdout).to.equal('')
      const { error } = JSON.parse(result.stderr)
      expect(error.code).to.equal(code)
      expect(error.message).to.match(/line 703\b.*; 500 stored before, go on from line 501; /)
      expect(error.message).to.include(error.remedy)
      expect(await headOf(events)).to.equal(500)
    })
  }

  it('stores a line of a live pipe without waiting for more', async () => {
    const cli = startCli(root, 'signal', '--many')
    cli.process.stdin.write('{"key":"k","payload":1}\n{"key":"k","payl')
    await until(async () => (await headOf(events)) === 1, 'the first line')
    cli.process.stdin.end('oad":2}')
    expect((await cli.ended).stdout).to.equal('2 stored\n')
  })

  it('stops reading while the store is busy, and goes on afterwards', async () => {
    await events.signal('k', 0)
    const release = hold((await events.stats()).store.place)
    const cli = startCli(root, 'signal', 'k', '--many')
    const line = Buffer.from(`${JSON.stringify({ payload: 'x'.repeat(1000) })}\n`)
    const megabytes = 24
    for (let i = 0; i < megabytes * 1000; i += 1) cli.process.stdin.write(line)
    const full = cli.process.stdin.writableLength
    await until(() => cli.process.stdin.writableLength < full, 'the first read')
    await sleep(1000)
    const taken = full - cli.process.stdin.writableLength
    release()
    cli.process.stdin.end()
    expect((await cli.ended).stdout).to.equal('24000 stored\n')
    expect(taken).to.be.below(4_000_000)
  })

  it('shows a bar on a terminal only', async function () {
    const script = needProgram(this, 'script', 'bsdutils')
    const file = join(root, 'events.jsonl')
    writeFileSync(file, lines(10).join('\n'))
    const main = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
    const command = `${process.execPath} ${main} --root ${root} signal --many < ${file}`
    const { stdout } = spawnSync(script, ['-qec', command, '/dev/null'], { encoding: 'utf8', input: '' })
    expect(stdout).to.include('100 %').and.to.include('10 stored')
    expect((await runCli(root, ['signal', '--many'], lines(10).join('\n'))).stderr).to.equal('')
  })
})
