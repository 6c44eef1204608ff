import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type Event, type FileSignal } from 'file-signal'
import { runCli, startCli } from './setup/cli.js'
import { needProgram } from './setup/program.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

const Database: new (path: string) => { exec(sql: string): void; close(): void } = createRequire(
  import.meta.url,
)('better-sqlite3')
const PACKAGE = fileURLToPath(new URL('../package.json', import.meta.url))

describe('the command line', () => {
  let root: string
  let events: FileSignal
  beforeEach(() => {
    root = freshFolder()
    events = createFileSignal({ root })
  })
  afterEach(() => events.close())

  /** All events of `key`, oldest first. */
  async function stored(key: string): Promise<Event[]> {
    const { epoch } = (await events.stats()).store
    const { id } = await events.end(key)
    const found: Event[] = []
    for await (const event of events.subscribe(key, { after: `${epoch}-0` })) found.push(event)
    expect(id).to.be.a('string')
    return found
  }

  async function head(): Promise<number> {
    return (await events.stats()).store.head
  }

  describe('signal', () => {
    it('stores the event and prints its id', async () => {
      const { code, stdout, stderr } = await runCli(root, [
        'signal',
        'orders',
        '{"id":42}',
        '--event',
        'paid',
      ])
      expect([code, stderr]).to.deep.equal([0, ''])
      const [event] = await stored('orders')
      expect(event).to.deep.include({ id: stdout.trim(), key: 'orders', event: 'paid', payload: { id: 42 } })
    })

    it('takes JSON from stdin for "-", negative numbers as they are, and stores null for no JSON', async () => {
      await runCli(root, ['signal', 'k', '-'], '{\n  "text": "grüß"\n}\n')
      await runCli(root, ['signal', 'k', '-5'])
      await runCli(root, ['signal', 'k'])
      const payloads = (await stored('k')).map((event) => event.payload)
      expect(payloads).to.deep.equal([{ text: 'grüß' }, -5, null])
    })

    it('stores one event for one dedupe id', async () => {
      const first = await runCli(root, ['--json', 'signal', 'k', '1', '--dedupe', 'run-7'])
      const again = await runCli(root, ['signal', 'k', '2', '--dedupe', 'run-7', '--json'])
      const { id } = JSON.parse(first.stdout)
      expect(JSON.parse(first.stdout)).to.deep.equal({ id, stored: true })
      expect(JSON.parse(again.stdout)).to.deep.equal({ id, stored: false })
      expect(await head()).to.equal(1)
    })
  })

  describe('signal --many', () => {
    const lines = (count: number) =>
      Array.from({ length: count }, (_, i) => JSON.stringify({ key: 'k', payload: i + 1 }))

    it('stores a line each, in order, over several batches; empty lines and CRLF do not matter', async () => {
      const input = `${lines(1200).join('\r\n')}\r\n\r\n`
      const { code, stdout, stderr } = await runCli(root, ['signal', '--many'], input)
      expect([code, stdout, stderr]).to.deep.equal([0, '1200 stored\n', ''])
      const payloads = (await stored('k')).map((event) => event.payload)
      expect(payloads).to.deep.equal(Array.from({ length: 1200 }, (_, i) => i + 1))
    })

    it('gives KEY and --event to the lines that have none', async () => {
      const input = '{"payload":1}\n{"payload":2,"event":"own"}\n{"payload":3,"key":"other"}'
      const result = await runCli(root, ['signal', 'k', '--many', '--event', 'usual', '--json'], input)
      expect(JSON.parse(result.stdout)).to.deep.include({ stored: 3, repeated: 0 })
      expect((await stored('k')).map((event) => event.event)).to.deep.equal(['usual', 'own'])
      expect((await stored('other')).map((event) => event.event)).to.deep.equal(['usual'])
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
        expect(await head()).to.equal(500)
      })
    }

    it('stores a line of a live pipe without waiting for more', async () => {
      const cli = startCli(root, 'signal', '--many')
      cli.process.stdin.write('{"key":"k","payload":1}\n{"key":"k","payl')
      await until(async () => (await head()) === 1, 'the first line')
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

  describe('tail', () => {
    it('prints what comes after an id, and ends when every key has ended', async () => {
      const { id } = await events.signal('a', 1)
      const second = await events.signal('a', { text: 'two words' }, { event: 'e' })
      const third = await events.signal('b', '\u009b31m')
      await events.end('a')
      await events.end('b')
      const { code, stdout, stderr } = await runCli(root, ['tail', 'a', 'b', '--after', id])
      expect([code, stderr]).to.deep.equal([0, ''])
      expect(stdout.split('\n')).to.deep.equal([
        `${second.id} a e {"text":"two words"}`,
        `${third.id} b - "\\u009b31m"`,
        '',
      ])
    })

    it('prints live events as JSON lines', async () => {
      const { id } = await events.signal('k', 0)
      const cli = startCli(root, '--json', 'tail', 'k', '--after', id)
      const next = await events.signal('k', { a: 1 })
      await until(() => cli.lines().length > 0, 'a line')
      const [line = ''] = cli.lines()
      const { createdAt, ...event } = JSON.parse(line)
      expect(event).to.deep.equal({ id: next.id, key: 'k', event: null, payload: { a: 1 } })
      expect(createdAt).to.be.closeTo(Date.now(), 10_000)
      await events.end('k')
      expect((await cli.ended).code).to.equal(0)
    })

    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      it(`ends on ${signal} with 0`, async () => {
        const { id } = await events.signal('k', 0)
        await events.signal('k', 1)
        const cli = startCli(root, 'tail', 'k', '--after', id)
        await until(() => cli.lines().length === 1, 'a line')
        cli.process.kill(signal)
        const { code, stderr } = await cli.ended
        expect([code, stderr]).to.deep.equal([0, ''])
      })
    }

    it('ends without a word when its reader leaves', async () => {
      const { id } = await events.signal('k', 0)
      await events.signalMany(Array.from({ length: 5000 }, () => ({ key: 'k', payload: 'x'.repeat(100) })))
      const cli = startCli(root, 'tail', 'k', '--after', id)
      await until(() => cli.lines().length > 0, 'a line')
      cli.process.stdout.destroy()
      const { code, stderr } = await cli.ended
      expect([code, stderr]).to.deep.equal([0, ''])
    })

    it('answers a lost cursor with exit code 4', async () => {
      await events.signal('k', 0)
      const { code, stderr } = await runCli(root, ['tail', 'k', '--after', 'otherone-1'])
      expect(code).to.equal(4)
      expect(stderr).to.match(/^CURSOR_LOST: .*; read the current state again.*\n$/)
    })
  })

  it('ends a key', async () => {
    await events.signal('k', 1)
    const { code, stdout } = await runCli(root, ['end', 'k'])
    expect([code, await head()]).to.deep.equal([0, 2])
    expect(stdout).to.match(/^[0-9a-z]+-2\n$/)
  })

  it('tells where the store is and what it holds', async () => {
    await events.signal('k', 1)
    const text = (await runCli(root, ['stats'])).stdout
    expect(text)
      .to.match(/^root\.path +\S+$/m)
      .and.to.match(/^store\.rows +1$/m)
    const stats = JSON.parse((await runCli(root, ['stats', '--json'])).stdout)
    expect(stats.root).to.deep.equal({ path: root, rule: 'option root' })
    expect(stats.store).to.deep.include({ rows: 1, keys: 1 })
  })

  it('shows a lifted limit as false in JSON, which knows no Infinity', async () => {
    const keeping = createFileSignal({ root, retention: { maxAge: false } })
    await keeping.signal('k', 1)
    await keeping.close()
    const stats = JSON.parse((await runCli(root, ['stats', '--json'])).stdout)
    expect(stats.store.retention.maxAge).to.equal(false)
  })

  it('prunes what retention no longer keeps', async () => {
    const keeping = createFileSignal({ root, retention: { maxPerKey: 1_000_000 } })
    await keeping.signalMany(Array.from({ length: 50 }, (_, i) => ({ key: 'k', payload: i })))
    await keeping.close()
    const strict = createFileSignal({ root, retention: { maxPerKey: 10 } })
    await strict.stats()
    await strict.close()
    const { code, stdout } = await runCli(root, ['prune', '--json'])
    expect([code, JSON.parse(stdout)]).to.deep.equal([0, { deleted: 40, ran: true }])
  })

  it('puts the store where --database and --directory say', async () => {
    await runCli(root, ['signal', 'k', '1', '--database', 'deep/own.sqlite', '--directory', 'wake'])
    const own = createFileSignal({ root, database: 'deep/own.sqlite' })
    expect((await own.stats()).store.rows).to.equal(1)
    await own.close()
    expect(readFileSync(join(root, 'wake', 'own.signal'), 'utf8')).to.match(/\S/)
  })

  describe('an error', () => {
    const usage: [args: string[], what: RegExp][] = [
      [['nothing'], /unknown command 'nothing'/],
      [['signal'], /signal needs a KEY/],
      [['signal', 'k', '1', '--evnt', 'x'], /unknown option '--evnt' \(Did you mean --event\?\)/],
      [['signal', 'k', '1', '2'], /too many arguments/],
      [['signal', 'k', '1', '--many'], /takes its payloads from stdin/],
      [['signal', '--many', '--dedupe', 'd'], /takes no --dedupe/],
      [['tail'], /missing required argument 'KEY'/],
      [['end'], /missing required argument 'KEY'/],
    ]
    for (const [args, what] of usage) {
      it(`is one line with exit code 2 for: file-signal ${args.join(' ')}`, async () => {
        const { code, stdout, stderr } = await runCli(root, args)
        expect([code, stdout]).to.deep.equal([2, ''])
        expect(stderr).to.match(/^OPTION_INVALID: [^\n]+\.\n$/)
        expect(stderr).to.match(what)
        const asJson = JSON.parse((await runCli(root, [...args, '--json'])).stderr)
        expect(asJson.error.code).to.equal('OPTION_INVALID')
        expect(asJson.error.message).to.include(asJson.error.remedy)
      })
    }

    const input: [args: string[], code: string][] = [
      [['signal', 'k', 'hello'], 'PAYLOAD_INVALID'],
      [['signal', 'k', JSON.stringify('x'.repeat(70_000))], 'PAYLOAD_TOO_LARGE'],
      [['signal', '', '1'], 'KEY_INVALID'],
      [['signal', 'k', '1', '--event', 'ready'], 'EVENT_INVALID'],
      [['signal', 'k', '1', '--dedupe', ''], 'DEDUPE_INVALID'],
      [['end', 'a\nb'], 'KEY_INVALID'],
      [['tail', 'a\nb'], 'KEY_INVALID'],
    ]
    for (const [args, code] of input) {
      it(`is one line with exit code 2 for ${code} of ${args[0]}, and changes nothing`, async () => {
        const result = await runCli(root, args)
        expect(result.code).to.equal(2)
        expect(result.stderr).to.match(new RegExp(`^${code}: [^\\n]+; [^\\n]+\\.\\n$`))
        expect(await head()).to.equal(0)
      })
    }

    it('has exit code 1 for a store that is not ours, which stays as it is', async () => {
      mkdirSync(join(root, 'data'))
      const place = join(root, 'data', 'sse_payloads.sqlite')
      writeFileSync(place, 'a diary, not a database\n'.repeat(100))
      const { code, stderr } = await runCli(root, ['signal', 'k', '1'])
      expect(code).to.equal(1)
      expect(stderr).to.match(/^STORE_FOREIGN: [^\n]+\n$/)
      expect(readFileSync(place, 'utf8')).to.include('a diary')
    })

    it('has exit code 3 for a store that is held for too long', async () => {
      await events.signal('k', 0)
      const release = hold((await events.stats()).store.place)
      const { code, stderr } = await runCli(root, ['signal', 'k', '1', '--json'])
      release()
      expect(code).to.equal(3)
      expect(JSON.parse(stderr).error.code).to.equal('STORE_BUSY')
      expect(await head()).to.equal(1)
    }).slow(12_000)
  })

  it('explains its exit codes in --help, and knows its version', async () => {
    const help = await runCli(root, ['--help'])
    expect(help.code).to.equal(0)
    expect(help.stdout).to.include('3  STORE_BUSY').and.to.include('4  CURSOR_LOST')
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'))
    expect(await runCli(root, ['--version'])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})

/** Holds the store's write lock, as a program with an open transaction does. */
function hold(place: string): () => void {
  const database = new Database(place)
  database.exec('BEGIN IMMEDIATE')
  return () => {
    database.exec('COMMIT')
    database.close()
  }
}
