import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { hold } from './setup/hold.js'
import {
  fixtureOf,
  interpreterOf,
  LANGUAGES,
  type Language,
  type Result,
  type RunOptions,
  runProgram,
  startProgram,
} from './setup/publishers.js'
import { storedEvents } from './setup/stored.js'
import { noSecondUser } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'
import { type Client, stream } from './support/sse.js'
import { until } from './support/wait.js'
import { startWeb, type Web } from './support/web.js'

const Database = createRequire(import.meta.url)('better-sqlite3')

/** Text that breaks where somebody takes bytes for characters, or normalizes them. */
const TEXT = `é e\u0301 😀 👩‍👩‍👧 \u202e ключ 日本 "it's" \\ $HOME %s`

for (const language of LANGUAGES) {
  describe(`the publisher for ${language.name}`, function () {
    this.timeout(60_000)

    let interpreter: string
    let root: string
    let events: FileSignal

    before(function () {
      interpreter = interpreterOf(this, language)
    })

    beforeEach(async () => {
      root = freshFolder()
      events = createFileSignal({ root })
      await events.stats()
    })

    afterEach(() => events.close())

    /** Runs the publisher as a command. */
    function command(args: readonly string[], options: RunOptions = {}): Promise<Result> {
      const env = { FILE_SIGNAL_ROOT: root, ...options.env }
      return runProgram(interpreter, [language.publisher, ...args], { ...options, env })
    }

    /** Calls its function, from a program that includes it; returns id or error. */
    async function call(expression: string, env: RunOptions['env'] = {}): Promise<string> {
      const result = await runProgram(interpreter, language.call(expression), {
        env: { FILE_SIGNAL_ROOT: root, ...env },
      })
      expect(result.stderr).to.equal('')
      return result.stdout.trim()
    }

    /** A copy of the publisher where every user may look. */
    function publisherForAll(): string {
      const folder = freshFolder()
      chmodSync(folder, 0o755)
      const publisher = join(folder, basename(language.publisher))
      copyFileSync(language.publisher, publisher)
      return publisher
    }

    const store = () => join(root, 'data/sse_payloads.sqlite')
    const signalFile = () => join(root, 'tmp/sse_signals/events.signal')
    const count = async () => (await events.stats()).store.rows

    describe('publishes', () => {
      let web: Web
      let client: Client

      beforeEach(async () => {
        // An hour between two looks: whatever comes sooner, came by the signal.
        web = await startWeb({ keys: ['orders', TEXT], options: { root, poll: '1h' } })
        client = await stream(web.url)
        await until(() => isCalm(web), 'the web process to watch, and to have read all that it read for that')
      })
      afterEach(async () => {
        client.close()
        await web.child.stop('SIGTERM')
      })

      it('an event that a stream of another process has at once, with its id, name and payload', async () => {
        const { code, stdout, stderr } = await command([
          'orders',
          '{"id":7,"total":12.5}',
          '--event',
          'created',
        ])
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
        const message = await until(() => client.ofType('created')[0], 'the event', 2000)
        expect(message).to.include({ id: stdout.trim(), data: '{"id":7,"total":12.5}', key: 'orders' })
        expect(Date.now() - (message.at ?? 0)).to.be.below(1000)
      })

      it('each of several one after another, in order, by its function too', async () => {
        const loop = startProgram(interpreter, [fixtureOf(language, 'loop'), 'orders', 'me', '20'], {
          env: { FILE_SIGNAL_ROOT: root },
        })
        expect(await loop.ended).to.deep.equal({ code: 0, signal: null, stdout: '', stderr: '' })
        await until(() => client.payloads().length === 20, 'all of them', 2000)
        expect(client.payloads()).to.deep.equal(Array.from({ length: 20 }, (_, i) => ({ w: 'me', i })))
      })

      it('any text as key, event name and payload, in a locale of none', async () => {
        const json = JSON.stringify({ text: TEXT, lines: 'a\nb\r\nc\u2028' })
        const { code, stderr } = await command([TEXT, json, '--event', TEXT], { env: { LC_ALL: 'C' } })
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
        const message = await until(() => client.ofType(TEXT)[0], 'the event', 2000)
        expect(message.key).to.equal(TEXT)
        expect(JSON.parse(message.data)).to.deep.equal(JSON.parse(json))
      })

      it('a payload from stdin, of more than one line and of 1 MiB, and null for none', async () => {
        const pretty = '{\n  "id": 7\n}\n'
        const large = JSON.stringify('x'.repeat(1024 * 1024 - 2))
        for (const input of [pretty, large]) {
          const { code, stderr } = await command(['orders', '-'], { input })
          expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
        }
        await command(['orders'])
        await until(() => client.payloads().length === 3, 'three events', 5000)
        expect(client.payloads()).to.deep.equal([{ id: 7 }, JSON.parse(large), null])
      })

      it('one event however often it is called with the same dedupe key', async () => {
        const first = await command(['orders', '1', '--dedupe', TEXT])
        const again = await command(['orders', '2', '--dedupe', TEXT])
        const byNode = await events.signal('orders', 3, { dedupe: TEXT })
        expect(again).to.deep.equal(first)
        expect(byNode).to.deep.equal({ id: first.stdout.trim(), stored: false })
        await events.signal('orders', 4)
        await until(() => client.payloads().length === 2, 'both', 2000)
        expect(client.payloads()).to.deep.equal([1, 4])
      })
    })

    describe('refuses', () => {
      const bad: readonly [what: string, code: string, args: readonly string[]][] = [
        ['an empty key', 'KEY_INVALID', ['']],
        ['a key of 201 characters', 'KEY_INVALID', ['😀'.repeat(201)]],
        ['a key with a line feed', 'KEY_INVALID', ['a\nb']],
        ['a key that ends in a line feed', 'KEY_INVALID', ['a\n']],
        ['a key with DEL', 'KEY_INVALID', ['a\x7f']],
        ['a key with U+0085', 'KEY_INVALID', ['a\u0085b']],
        ['a reserved event name', 'EVENT_INVALID', ['a', '1', '--event', 'ready']],
        ['an event name with a line feed', 'EVENT_INVALID', ['a', '1', '--event', 'x\ndata: forged']],
        ['a dedupe key of 201 characters', 'DEDUPE_INVALID', ['a', '1', '--dedupe', 'x'.repeat(201)]],
        ['what is not JSON', 'PAYLOAD_INVALID', ['a', '{"a":}']],
        ['text without quotes', 'PAYLOAD_INVALID', ['a', 'hello']],
        ['nothing on stdin', 'PAYLOAD_INVALID', ['a', '-']],
        ['an unknown option', '', ['a', '1', '--evnet', 'x']],
        ['an option without its value', '', ['a', '1', '--event']],
        ['no key', '', []],
        ['three words', '', ['a', '1', '2']],
      ]

      it('bad input, with its code, a remedy in a line and exit code 2, and stores nothing', async () => {
        for (const [what, code, args] of bad) {
          const result = await command(args)
          expect(result.code, what).to.equal(2)
          expect(result.stdout, what).to.equal('')
          if (code === '') expect(result.stderr, what).to.match(/^usage: |OPTION_INVALID: .*usage: /)
          else expect(result.stderr, what).to.match(new RegExp(`^${code}: .+; .+\\.\n$`))
        }
        expect(await count()).to.equal(0)
      })

      it('a payload above 1 MiB, with PAYLOAD_TOO_LARGE', async () => {
        const result = await command(['a', '-'], { input: JSON.stringify('€'.repeat(350_000)) })
        expect(result.code).to.equal(2)
        expect(result.stderr).to.match(/^PAYLOAD_TOO_LARGE: the payload is 1050002 bytes as JSON/)
      })

      it('bytes that are not UTF-8, in any place', async () => {
        const broken = '"$(printf \'"a\\377b"\')"'
        for (const [code, words] of [
          ['KEY_INVALID', `${broken} 1`],
          ['KEY_INVALID', '"$(printf \'a\\355\\240\\200b\')" 1'],
          ['EVENT_INVALID', `a 1 --event ${broken}`],
          ['PAYLOAD_INVALID', `a ${broken}`],
        ] as const) {
          const line = `exec "$0" "$1" ${words}`
          const result = await runProgram('sh', ['-c', line, interpreter, language.publisher], {
            env: { FILE_SIGNAL_ROOT: root },
          })
          expect(result.stderr, words).to.match(new RegExp(`^${code}: `))
          expect(result.code, words).to.equal(2)
        }
        expect(await count()).to.equal(0)
      })

      const calls: Readonly<Record<string, readonly [code: string, expression: string][]>> = {
        php: [
          ['KEY_INVALID', '"a\\0b", 1'],
          ['KEY_INVALID', '42, 1'],
          ['KEY_INVALID', 'null, 1'],
          ['EVENT_INVALID', '"a", 1, ["event" => ""]'],
          ['PAYLOAD_INVALID', '"a", NAN'],
          ['PAYLOAD_INVALID', '"a", ["x" => "\\xff"]'],
          ['PAYLOAD_INVALID', '"a", fopen("php://stdin", "r")'],
          ['OPTION_INVALID', '"a", 1, ["evnet" => "x"]'],
        ],
        py: [
          ['KEY_INVALID', '"a\\0b", 1'],
          ['KEY_INVALID', '42, 1'],
          ['KEY_INVALID', 'b"a", 1'],
          ['EVENT_INVALID', '"a", 1, event=""'],
          ['PAYLOAD_INVALID', '"a", float("nan")'],
          ['PAYLOAD_INVALID', '"a", "\\ud800"'],
          ['PAYLOAD_INVALID', '"a", {1, 2}'],
        ],
        rb: [
          ['KEY_INVALID', '"a\\0b", 1'],
          ['KEY_INVALID', '42, 1'],
          ['KEY_INVALID', ':a, 1'],
          ['EVENT_INVALID', '"a", 1, event: ""'],
          ['PAYLOAD_INVALID', '"a", Float::NAN'],
          ['PAYLOAD_INVALID', '"a", { x: "\\xff" }'],
        ],
        sh: [
          ['KEY_INVALID', '"" 1'],
          ['PAYLOAD_INVALID', 'a "$(printf \'"\\001"\')"'],
        ],
      }

      it('what only a program can pass, with the same codes', async () => {
        for (const [code, expression] of calls[language.ending] ?? []) {
          expect(await call(expression), expression).to.match(new RegExp(`^${code}: .+; .+\\.$`))
        }
        expect(await count()).to.equal(0)
      })

      const failing: readonly [what: string, code: string, spoil: () => void][] = [
        ['a store that is missing', 'STORE_MISSING', () => rmSync(dirname(store()), { recursive: true })],
        [
          'a store that is a link',
          'PATH_UNSAFE',
          () => {
            renameSync(store(), join(root, 'elsewhere'))
            symlinkSync(join(root, 'elsewhere'), store())
          },
        ],
        ['an empty file', 'STORE_FOREIGN', () => replaceStore('')],
        [
          'a file that is no database',
          'STORE_FOREIGN',
          () => replaceStore('no database, but long enough for its head to be looked at\n'.repeat(20)),
        ],
        [
          'another program’s database',
          'STORE_FOREIGN',
          () => {
            replaceStore('')
            raw('CREATE TABLE events (id INTEGER PRIMARY KEY, key, event, payload)')
          },
        ],
        ['a store of a newer version', 'STORE_NEWER', () => raw('PRAGMA user_version = 2')],
      ]

      function replaceStore(text: string): void {
        rmSync(dirname(store()), { recursive: true })
        mkdirSync(dirname(store()))
        writeFileSync(store(), text)
      }

      function raw(sql: string): void {
        const database = new Database(store())
        database.exec(sql)
        database.close()
      }

      for (const [what, code, spoil] of failing) {
        it(`${what}, with ${code} and exit code 1, and leaves everything as it is`, async () => {
          await events.close()
          spoil()
          const before = existsSync(store()) && readFileSync(store()).toString('latin1')
          const result = await command(['a', '1'])
          expect(result.stderr).to.match(new RegExp(`^${code}: .+; .+\\.\n$`))
          expect(result.code).to.equal(1)
          expect(existsSync(store()) && readFileSync(store()).toString('latin1')).to.equal(before)
          expect(existsSync(signalFile())).to.equal(false)
        })
      }

      it('a root that is missing, with ROOT_UNKNOWN, and takes --root before FILE_SIGNAL_ROOT', async () => {
        for (const env of [{ FILE_SIGNAL_ROOT: undefined }, { FILE_SIGNAL_ROOT: '/nowhere' }]) {
          const result = await command(['a', '1'], { env })
          expect(result.stderr).to.match(/^ROOT_UNKNOWN: /)
          expect(result.code).to.equal(1)
        }
        const result = await command(['a', '1', '--root', root], { env: { FILE_SIGNAL_ROOT: '/nowhere' } })
        expect(result.code).to.equal(0)
      })

      it('another user’s store, with STORE_UNWRITABLE', async function () {
        const why = noSecondUser()
        if (why) skip(this, why)
        const publisher = publisherForAll()
        for (const folder of [root, dirname(store())]) chmodSync(folder, 0o755)
        for (const mode of [0o644, 0o600]) {
          chmodSync(store(), mode)
          const result = await runProgram(interpreter, [publisher, 'a', '1'], {
            env: { FILE_SIGNAL_ROOT: root },
            uid: 54_321,
            gid: 54_321,
          })
          expect(result.stderr).to.match(/^STORE_UNWRITABLE: /)
          expect(result.code).to.equal(1)
        }
        expect(await count()).to.equal(0)
      })
    })

    describe('writes the signal file', () => {
      const record = (id: string) => `${id.trim().padEnd(47)}\n`

      it('in place: the same file with the same rights, and as long as before', async () => {
        await events.signal('a', 1)
        chmodSync(signalFile(), 0o640)
        const before = lstatSync(signalFile())
        const { stdout } = await command(['a', '2'])
        const after = lstatSync(signalFile())
        expect(readFileSync(signalFile(), 'utf8')).to.equal(record(stdout))
        expect([after.ino, after.mode, after.uid]).to.deep.equal([before.ino, before.mode, before.uid])
      })

      it('anew where it is missing, with the rights of the store', async () => {
        await events.signal('a', 1)
        rmSync(signalFile())
        chmodSync(store(), 0o660)
        const other = process.getuid?.() === 0 ? 54_300 : undefined
        if (other !== undefined) execFileSync('chown', [`${other}:${other}`, store()])
        const { stdout, stderr } = await command(['a', '2'])
        expect(stderr).to.equal('')
        const [made, like] = [lstatSync(signalFile()), lstatSync(store())]
        expect(readFileSync(signalFile(), 'utf8')).to.equal(record(stdout))
        expect([made.mode, made.uid, made.gid]).to.deep.equal([like.mode, like.uid, like.gid])
      })

      it('not at all where its folder is missing: nobody watches', async () => {
        const { code, stderr } = await command(['a', '1'])
        expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
        expect(readdirSync(root)).to.deep.equal(['data'])
      })

      it('through no link and into no FIFO, without waiting; the event is stored all the same', async () => {
        await events.signal('a', 0)
        const target = join(root, 'target')
        const folder = dirname(signalFile())
        const traps = [
          () => symlinkSync(target, signalFile()),
          () => execFileSync('mkfifo', [signalFile()]),
          () => mkdirSync(signalFile()),
          () => {
            renameSync(folder, `${folder}-real`)
            symlinkSync(`${folder}-real`, folder)
            writeFileSync(signalFile(), 'untouched')
          },
        ]
        writeFileSync(target, 'untouched')
        for (const [i, lay] of traps.entries()) {
          rmSync(signalFile(), { recursive: true, force: true })
          lay()
          const { code, stdout, stderr } = await command(['a', String(i)])
          expect(code).to.equal(0)
          expect(stdout).to.match(/^[0-9a-z]{8}-[0-9]+\n$/)
          expect(stderr).to.match(/SIGNAL_FAILED: /)
          expect(await count()).to.equal(i + 2)
        }
        expect(readFileSync(target, 'utf8')).to.equal('untouched')
        expect(readFileSync(signalFile(), 'utf8')).to.equal('untouched')
      })
    })

    it('works beside another user of the same group, without owning a file', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      await events.close()
      const shared = createFileSignal({ root: freshFolder(), mode: 0o660, group: 54_300 })
      await shared.signal('a', 1)
      const { root: place, signal } = await shared.stats()
      chmodSync(place?.path as string, 0o755)
      const result = await runProgram(interpreter, [publisherForAll(), 'a', '2'], {
        env: { FILE_SIGNAL_ROOT: place?.path },
        uid: 54_322,
        gid: 54_300,
      })
      expect(result).to.include({ code: 0, stderr: '' })
      expect(readFileSync(signal.file as string, 'utf8').trim()).to.equal(result.stdout.trim())
      await shared.signal('a', 3)
      expect((await storedEvents(shared, 'a')).map(({ payload }) => payload)).to.deep.equal([1, 2, 3])
      await shared.close()
    })

    it('finds store and signal file where the environment says', async () => {
      const places = {
        'shop.sqlite': 'shop.signal',
        'events.sqlite': 'events-store.signal',
        'sse_payloads.db': 'sse_payloads.signal',
      }
      for (const [database, signal] of Object.entries(places)) {
        const elsewhere = createFileSignal({ root, database: `stores/${database}`, directory: 'signals' })
        await elsewhere.signal('a', 1)
        const env = { FILE_SIGNAL_DATABASE: join(root, 'stores', database), FILE_SIGNAL_DIR: 'signals' }
        const { stdout, stderr } = await command(['a', '2'], { env })
        expect(stderr).to.equal('')
        expect(readFileSync(join(root, 'signals', signal), 'utf8').trim()).to.equal(stdout.trim())
        expect((await storedEvents(elsewhere, 'a')).map(({ payload }) => payload)).to.deep.equal([1, 2])
        await elsewhere.close()
      }
    })

    it('finds them by a .env with Windows line ends that a shell has read', async () => {
      const settings = { ROOT: root, DATABASE: 'stores/shop.sqlite', DIR: 'signals' }
      const lines = Object.entries(settings).map(([name, value]) => `FILE_SIGNAL_${name}=${value}\r\n`)
      writeFileSync(join(root, '.env'), ['# of the shop\r\n', ...lines].join(''))
      const elsewhere = createFileSignal({ root, database: settings.DATABASE, directory: settings.DIR })
      await elsewhere.signal('a', 1)
      const script = 'set -a; . "$0/.env"; exec "$@"'
      const words = [interpreter, language.publisher, 'a', '2']
      const { stdout, stderr } = await runProgram('sh', ['-c', script, root, ...words])
      expect(stderr).to.equal('')
      expect(readFileSync(join(root, 'signals/shop.signal'), 'utf8').trim()).to.equal(stdout.trim())
      expect((await storedEvents(elsewhere, 'a')).map(({ payload }) => payload)).to.deep.equal([1, 2])
      await elsewhere.close()
    })

    it('skips numbers after the machine went down, once: what was rolled back may have been seen', async function () {
      if (!existsSync('/proc/sys/kernel/random/boot_id')) skip(this, 'this system names no boot')
      const database = new Database(store())
      database.exec(`UPDATE meta SET value = 'an earlier run' WHERE name = 'boot'`)
      database.close()
      const ids = [(await command(['a', '1'])).stdout, (await command(['a', '2'])).stdout]
      await events.close()
      const next = createFileSignal({ root })
      ids.push((await next.signal('a', 3)).id)
      await next.close()
      expect(ids.map((id) => Number(id.split('-')[1]))).to.deep.equal([1_000_001, 1_000_002, 1_000_003])
    })

    it('waits for a busy store, and stores as soon as it is free', async () => {
      const release = hold(store())
      const waiting = command(['a', '"waited"'])
      await until(() => opensBeside(store()) > 0, 'the publisher to be at the store')
      release()
      expect((await waiting).code).to.equal(0)
      expect((await storedEvents(events, 'a')).map(({ payload }) => payload)).to.deep.equal(['waited'])
    })

    it('leaves whole events and a free store when it is killed, and loses none of them', async () => {
      const web = await startWeb({ keys: ['a'], options: { root } })
      const client = await stream(web.url)
      const loop = startProgram(interpreter, [fixtureOf(language, 'loop'), 'a', 'victim', '100000'], {
        env: { FILE_SIGNAL_ROOT: root },
      })
      await until(async () => (await count()) >= 20, 'some events', 20_000)
      loop.kill()
      expect((await loop.ended).signal).to.equal('SIGKILL')
      // A tool that the shell had started lives on for a moment, and finishes what it does.
      await until(() => opensBeside(store(), web.child.process.pid) === 0, 'its end')
      const begin = performance.now()
      await events.signal('a', { w: 'next' })
      expect(performance.now() - begin, 'ms that the next publisher waited').to.be.below(1000)
      const total = await count()
      await until(() => client.payloads().length === total, 'all that is stored')
      const victims = Array.from({ length: total - 1 }, (_, i) => ({ w: 'victim', i }))
      expect(client.payloads()).to.deep.equal([...victims, { w: 'next' }])
      const database = new Database(store(), { readonly: true })
      expect(database.pragma('integrity_check')).to.deep.equal([{ integrity_check: 'ok' }])
      database.close()
      client.close()
      await web.child.stop('SIGTERM')
    })
  })
}

/** Opening a watcher ends with reads of its own, which would find an event that was not signalled. */
async function isCalm(web: Web): Promise<boolean> {
  const before = await web.stats()
  await pause(150)
  const after = await web.stats()
  return (
    after.streams.mode === 'watch' &&
    JSON.stringify(after.streams.wakes) === JSON.stringify(before.streams.wakes)
  )
}

describe('the publisher for Python', () => {
  it('keeps to the grammar of Python 3.6', async function () {
    const python = LANGUAGES.find(({ name }) => name === 'Python') as Language
    const parse = 'import ast, sys; ast.parse(open(sys.argv[1]).read(), feature_version=(3, 6))'
    const result = await runProgram(interpreterOf(this, python), ['-c', parse, python.publisher])
    expect(result.stderr).to.equal('')
  })
})

/** How many processes other than this one have a file open. */
function opensBeside(path: string, ...others: readonly (number | undefined)[]): number {
  const mine = [process.pid, ...others].map(String)
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && !mine.includes(pid) && hasOpen(pid, path))
    .length
}

function hasOpen(pid: string, path: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`
    return readdirSync(folder).some((fd) => readlinkSync(join(folder, fd)) === path)
  } catch {
    // It has gone, or is another user's.
    return false
  }
}
