import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { interpreterOf, LANGUAGES, type Result, runProgram } from './setup/publishers.js'
import { storedEvents } from './setup/stored.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'

const PROJECT = fileURLToPath(new URL('..', import.meta.url))
const GAP = 1_000_000

/** A Node app that stores two events and is killed: what it has committed stands in the -wal. */
const KILLED = `
  import { createFileSignal } from 'file-signal'
  const events = createFileSignal()
  await events.signal('a', 1)
  console.log((await events.signal('a', 2)).id)
  process.kill(process.pid, 'SIGKILL')`

/** Programs that call only what writes the signal, with the signal file, the store and an id as arguments. */
const WAKES: Readonly<Record<string, (publisher: string) => readonly string[]>> = {
  php: (publisher) => ['-r', `require '${publisher}'; file_signal_wake($argv[1], $argv[2], $argv[3]);`],
  py: (publisher) => [
    '-B',
    '-c',
    `import sys; sys.path.insert(0, '${dirname(publisher)}')\nimport file_signal\nfile_signal.wake(*sys.argv[1:])`,
  ],
  rb: (publisher) => ['-e', `require '${publisher}'; FileSignal.wake(*ARGV)`],
}

interface Place {
  readonly epoch: string
  readonly n: number
}

for (const language of LANGUAGES) {
  describe(`the publisher for ${language.name}, the first to come to a store`, function () {
    this.timeout(60_000)

    let interpreter: string
    let root: string

    before(function () {
      interpreter = interpreterOf(this, language)
    })

    /** A store of one event, which nobody has open, with its signal file. */
    beforeEach(async () => {
      root = freshFolder()
      const events = createFileSignal({ root })
      await events.signal('a', 0)
      await events.close()
    })

    const store = () => join(root, 'data/sse_payloads.sqlite')
    const signalFile = () => join(root, 'tmp/sse_signals/events.signal')
    const signalled = () => readFileSync(signalFile(), 'utf8').trim()

    function command(args: readonly string[], path = process.env.PATH): Promise<Result> {
      const env = { FILE_SIGNAL_ROOT: root, PATH: path }
      return runProgram(interpreter, [language.publisher, ...args], { env })
    }

    async function publish(...args: readonly string[]): Promise<Place> {
      const { code, stdout, stderr } = await command(['a', ...args])
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      return placeOf(stdout.trim())
    }

    function raise(hint: string): void {
      writeFileSync(signalFile(), `${hint.padEnd(47)}\n`, { flag: 'r+' })
    }

    function raw<T>(fn: (database: ReturnType<typeof openRawDatabase>) => T): T {
      const database = openRawDatabase(store())
      try {
        return fn(database)
      } finally {
        database.close()
      }
    }

    /** Id of the newest event of an app that was killed. */
    async function killed(): Promise<string> {
      const { stdout } = await runProgram(process.execPath, ['--input-type=module', '-e', KILLED], {
        cwd: PROJECT,
        env: { FILE_SIGNAL_ROOT: root },
      })
      return stdout.trim()
    }

    const rows = () => raw((database) => database.prepare('SELECT count(*) AS n FROM events').get())
    const strangers = () =>
      raw((database) => database.prepare("SELECT value FROM meta WHERE name = 'strangers'").get())

    /** The store has a new epoch above what was seen, which Node keeps, and of which readers are told. */
    async function expectNewEpoch(place: Place, seen: Place): Promise<void> {
      expect(place.epoch)
        .to.match(/^[0-9a-z]{8}$/)
        .and.not.equal(seen.epoch)
      expect(place.epoch.slice(0, 4)).to.equal(seen.epoch.slice(0, 4))
      expect(place.n).to.equal(seen.n + GAP + 1)
      expect(signalled()).to.equal(idOf(place))
      const events = createFileSignal({ root })
      const lost = events
        .subscribe('a', { after: idOf(seen) })
        [Symbol.asyncIterator]()
        .next()
      expect(await failure(lost)).to.include({ code: 'CURSOR_LOST' })
      expect((await events.signal('a', 'next')).id).to.equal(idOf({ ...place, n: place.n + 1 }))
      const stored = (await storedEvents(events, 'a')).map(({ payload }) => payload)
      expect(stored).to.deep.equal([0, 'first', 'next'])
      await events.close()
    }

    it('that stands beside the -wal of a killed process, of another file, refuses until Node has cleared that', async () => {
      execFileSync('cp', [store(), join(root, 'copy')])
      const seen = placeOf(await killed())
      const stray = statSync(`${store()}-wal`).size
      renameSync(join(root, 'copy'), store())
      const { code, stdout, stderr } = await command(['a', '"first"'])
      expect({ code, stdout }).to.deep.equal({ code: 1, stdout: '' })
      expect(stderr).to.match(/^STORE_FAILED: .*-wal" belongs to another file .*: npx file-signal stats/)
      expect(statSync(`${store()}-wal`).size).to.equal(stray)
      const events = createFileSignal({ root, onError: () => {} })
      const { epoch } = (await events.stats()).store
      await events.close()
      expect(await publish('"first"')).to.deep.equal({ epoch, n: seen.n + GAP + 1 })
      const check = raw((database) => database.prepare('PRAGMA integrity_check').get())
      expect(check).to.deep.equal({ integrity_check: 'ok' })
    })

    it('whose -wal was lost gives no number out twice, and names a new epoch', async () => {
      const seen = placeOf(await killed())
      for (const side of ['-wal', '-shm']) rmSync(`${store()}${side}`)
      expect(seen.n).to.equal(3)
      await expectNewEpoch(await publish('"first"'), seen)
    })

    it('that was put back to an older state does the same', async () => {
      execFileSync('cp', [store(), join(root, 'older')])
      const events = createFileSignal({ root })
      const ids = [(await events.signal('a', 1)).id, (await events.signal('a', 2)).id]
      await events.close()
      execFileSync('cp', [join(root, 'older'), store()])
      await expectNewEpoch(await publish('"first"'), placeOf(ids[1] as string))
    })

    it('goes on in the same epoch below a signal that says nothing of it', async () => {
      const { epoch } = placeOf(signalled())
      for (const [i, hint] of [
        '',
        `${epoch}-1`,
        `${epoch}-${Number.MAX_SAFE_INTEGER - 1000 * GAP + 1}`,
        `${epoch}-0900000`,
        `${epoch.toUpperCase()}-900000`,
        '1767225600000',
        '900000x',
        '\n900000',
        'x'.repeat(47),
      ].entries()) {
        raise(hint)
        const place = await publish(String(i))
        expect(place, JSON.stringify(hint)).to.deep.equal({ epoch, n: i + 2 })
        expect(signalled(), JSON.stringify(hint)).to.equal(idOf(place))
      }
    })

    it('believes another store’s signal once, remembers whose it was, and bare numbers always', async () => {
      const { epoch } = placeOf(signalled())
      raise('zzzzzzaaaaaa-7000')
      const first = await publish('1')
      expect(first.n).to.equal(7000 + GAP + 1)
      expect(first.epoch).to.not.equal(epoch)
      expect(first.epoch.slice(0, 4)).to.equal(epoch.slice(0, 4))
      expect(strangers()).to.deep.equal({ value: 'zzzz' })
      raise('zzzzzzbbbbbb-9000000')
      expect(await publish('2')).to.deep.equal({ ...first, n: first.n + 1 })
      expect(signalled()).to.equal(idOf({ ...first, n: first.n + 1 }))
      raise('yyyy-9000000')
      const next = await publish('3')
      expect(next.n).to.equal(9_000_000 + GAP + 1)
      expect(strangers()).to.deep.equal({ value: 'zzzz yyyy' })
      raise('\t0020000000')
      expect((await publish('4')).n).to.equal(20_000_000 + GAP + 1)
      const furthest = Number.MAX_SAFE_INTEGER - 1000 * GAP
      raise(`${epoch.slice(0, 4)}-${furthest}`)
      expect((await publish('5')).n).to.equal(furthest + GAP + 1)
      expect(strangers()).to.deep.equal({ value: 'zzzz yyyy' })
    })

    it('that lacks the rows it keeps about itself refuses, stores nothing and tells no id', async () => {
      const before = signalled()
      for (const sql of [
        "UPDATE standing SET epoch = ''",
        'DELETE FROM standing',
        'DELETE FROM sqlite_sequence',
        'DROP TABLE standing',
      ]) {
        raw((database) => database.exec(sql))
        const { code, stdout, stderr } = await command(['a', '1', '--dedupe', 'x'])
        expect({ code, stdout }, sql).to.deep.equal({ code: 1, stdout: '' })
        expect(stderr, sql).to.match(/^STORE_FAILED: .*; let file-signal make them .*: npx file-signal stats/)
        expect(rows(), sql).to.deep.equal({ n: 1 })
      }
      expect(signalled()).to.equal(before)
      const events = createFileSignal({ root, onError: () => {} })
      await events.stats()
      const { epoch } = await publish('1')
      expect((await events.stats()).store.epoch).to.equal(epoch)
      await events.close()
    })

    it('leaves a signal as it is that somebody raised higher meanwhile', async () => {
      const { epoch } = placeOf(signalled())
      for (const [hint, stays] of [
        [`${epoch}-900`, true],
        [`${epoch.slice(0, 4)}bbbbbb-900`, true],
        ['900', true],
        [`${epoch}-1`, false],
        ['zzzzzzbbbbbb-900', false],
        ['1767225600000', false],
      ] as const) {
        const id = await wakeBeside(hint, epoch)
        expect(signalled(), hint).to.equal(stays ? hint : id)
      }
    })

    /** Lets the publisher signal an event of its own where the file says something else by then; returns the id. */
    async function wakeBeside(hint: string, epoch: string): Promise<string> {
      const words = WAKES[language.ending]?.(language.publisher)
      if (words === undefined) return publishBeside(hint)
      const id = `${epoch}-2`
      raise(hint)
      const { stderr } = await runProgram(interpreter, [...words, signalFile(), store(), id])
      expect(stderr).to.equal('')
      return id
    }

    /** A shell gives no function of its own away: between its commit and its signal stands the end of its tool. */
    async function publishBeside(hint: string): Promise<string> {
      const tool = execFileSync('sh', ['-c', 'command -v sqlite3'], { encoding: 'utf8' }).trim()
      const bin = freshFolder()
      const script = `#!/bin/sh
        sql=$(cat)
        printf '%s\n' "$sql" | ${tool} "$@"
        code=$?
        case $sql in *'INSERT INTO events'*) printf '%-47s\n' ${hint} 1<>'${signalFile()}' ;; esac
        exit $code`
      writeFileSync(join(bin, 'sqlite3'), script, { mode: 0o755 })
      raise('')
      const { stdout, stderr } = await command(['a', '1'], `${bin}:${process.env.PATH}`)
      expect(stderr).to.equal('')
      return stdout.trim()
    }
  })
}

function placeOf(id: string): Place {
  const [epoch = '', n = ''] = id.split('-')
  return { epoch, n: Number(n) }
}

function idOf({ epoch, n }: Place): string {
  return `${epoch}-${n}`
}
