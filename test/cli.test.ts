import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { runCli, startCli } from './setup/cli.js'
import { hold } from './setup/hold.js'
import { headOf, storedEvents } from './setup/stored.js'
import { ahead } from './support/ahead.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

const PACKAGE = fileURLToPath(new URL('../package.json', import.meta.url))

async function using<T>(root: string, work: (events: FileSignal) => Promise<T>): Promise<T> {
  const events = createFileSignal({ root })
  try {
    return await work(events)
  } finally {
    await events.close()
  }
}

/** What became of a command whose store was held for all of its ten seconds. */
const refused = ahead(async () => {
  const root = freshFolder()
  const { id, place } = await using(root, async (events) => ({
    ...(await events.signal('k', 0)),
    place: (await events.stats()).store.place,
  }))
  const release = hold(place)
  const running = runCli(root, ['signal', 'k', '1', '--json'])
  const finish = async () => {
    const result = await running
    release()
    return { result, rose: (await using(root, (events) => events.cursor())) !== id }
  }
  return { outcome: finish() }
})

describe('the command line', () => {
  let root: string
  let events: FileSignal
  beforeEach(() => {
    root = freshFolder()
    events = createFileSignal({ root })
  })
  afterEach(() => events.close())

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
      const [event] = await storedEvents(events, 'orders')
      expect(event).to.deep.include({ id: stdout.trim(), key: 'orders', event: 'paid', payload: { id: 42 } })
    })

    it('takes JSON from stdin for "-", negative numbers as they are, and stores null for no JSON', async () => {
      await runCli(root, ['signal', 'k', '-'], '{\n  "text": "grüß"\n}\n')
      await runCli(root, ['signal', 'k', '-5'])
      await runCli(root, ['signal', 'k'])
      const payloads = (await storedEvents(events, 'k')).map((event) => event.payload)
      expect(payloads).to.deep.equal([{ text: 'grüß' }, -5, null])
    })

    it('stores one event for one dedupe id', async () => {
      const first = await runCli(root, ['--json', 'signal', 'k', '1', '--dedupe', 'run-7'])
      const again = await runCli(root, ['signal', 'k', '2', '--dedupe', 'run-7', '--json'])
      const { id } = JSON.parse(first.stdout)
      expect(JSON.parse(first.stdout)).to.deep.equal({ id, stored: true })
      expect(JSON.parse(again.stdout)).to.deep.equal({ id, stored: false })
      expect(await headOf(events)).to.equal(1)
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
    expect([code, await headOf(events)]).to.deep.equal([0, 2])
    expect(stdout).to.match(/^[0-9a-z]+-2\n$/)
    expect((await runCli(root, ['end', 'k', '--reason', 'out of paper'])).code).to.equal(0)
    const { stderr } = await runCli(root, ['tail', 'k'])
    expect(stderr).to.match(/^ENDED_EARLY: key "k" has ended: "out of paper"; /)
  })

  it('says nothing when nobody reads its help, and says so when its output has no room', () => {
    const shell = (line: string) => spawnSync('sh', ['-c', line], { cwd: root, encoding: 'utf8' })
    const main = `${process.execPath} ${fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))}`
    for (let i = 0; i < 3; i += 1) expect(shell(`${main} --help | true`).stderr).to.equal('')
    const full = shell(`${main} --root . signal k 1 > /dev/full`)
    expect([full.status, full.stderr]).to.deep.equal([1, 'ENOSPC: no space left on device, write\n'])
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

  it('finds the store where .env says, as the app does that loads it', async () => {
    writeFileSync(join(root, '.env'), '\uFEFFFILE_SIGNAL_DATABASE="deep/own.sqlite"\nSECRET=1\n')
    const rows = async (database: string) => {
      const own = createFileSignal({ root, database })
      const { store } = await own.stats()
      await own.close()
      return store.rows
    }
    await runCli(root, ['signal', 'k', '1', '--json'])
    expect(await rows('deep/own.sqlite')).to.equal(1)
    await runCli(root, ['signal', 'k', '2', '--database', 'deep/given.sqlite'])
    expect(await rows('deep/given.sqlite')).to.equal(1)
    await runCli(root, ['signal', 'k', '3'], '', { env: { FILE_SIGNAL_DATABASE: 'deep/environment.sqlite' } })
    expect(await rows('deep/environment.sqlite')).to.equal(1)
    expect(existsSync(join(root, 'data'))).to.equal(false)
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
        expect(await headOf(events)).to.equal(0)
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
      const { result, rose } = await refused()
      expect(result.code).to.equal(3)
      expect(JSON.parse(result.stderr).error.code).to.equal('STORE_BUSY')
      expect(rose).to.equal(false)
    })
  })

  it('explains its exit codes in --help, and knows its version', async () => {
    const help = await runCli(root, ['--help'])
    expect(help.code).to.equal(0)
    expect(help.stdout).to.include('3  STORE_BUSY').and.to.include('4  CURSOR_LOST')
    const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8'))
    expect(await runCli(root, ['--version'])).to.deep.equal({ code: 0, stdout: `${version}\n`, stderr: '' })
  })
})
