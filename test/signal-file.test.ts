import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'chai'
import { ERRORS, FileSignalError } from '../dist/errors.js'
import type { SignalEngine, SignalListener, SignalSite, WakeKind } from '../dist/signal/engine.js'
import { type FileSignalEngineOptions, fileSignal } from '../dist/signal/file.js'
import type { Timing } from '../dist/signal/listener.js'
import { networkOf } from '../dist/signal/network.js'
import { createSignalFile } from '../dist/signal/signal-file.js'
import { type Child, type ChildOptions, noSecondUser, run, skip, start } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { until } from './support/wait.js'

const EPOCH = 'testtest'

interface Here {
  engine: SignalEngine
  reports: FileSignalError[]
}

interface Listening extends Here {
  listener: SignalListener
  /** Every wake-up: when, why, and the row that the file named then. */
  wakes: { at: number; kind: WakeKind; n: number }[]
}

describe('the signal file', () => {
  let place: string
  let path: string
  const open: SignalEngine[] = []
  const children: Child[] = []

  beforeEach(() => {
    place = freshFolder()
    chmodSync(place, 0o755)
    path = join(place, 'tmp/sse_signals/events.signal')
  })

  afterEach(async () => {
    for (const engine of open.splice(0)) await engine.close()
    for (const child of children.splice(0)) await child.stop()
  })

  function site(reports: FileSignalError[], rights: Partial<SignalSite> = {}): SignalSite {
    const report = (error: unknown) => {
      if (!(error instanceof FileSignalError)) throw error
      reports.push(error)
    }
    return { signalFile: () => path, mode: 0o600, group: null, report, ...rights }
  }

  function create(options: FileSignalEngineOptions = {}, timing: Partial<Timing> = {}): Here {
    const reports: FileSignalError[] = []
    const engine = fileSignal(options, timing)(site(reports))
    open.push(engine)
    return { engine, reports }
  }

  async function listen(
    options: FileSignalEngineOptions = {},
    timing: Partial<Timing> = {},
  ): Promise<Listening> {
    const here = create(options, timing)
    const wakes: Listening['wakes'] = []
    const listener = await here.engine.listen((kind) => {
      wakes.push({ at: now(), kind, n: here.engine.newest?.()?.n ?? 0 })
    })
    return { ...here, listener, wakes }
  }

  /** Raises in a process of its own, started in `/`, and tells when. */
  async function raiseElsewhere(
    gaps: number[],
    more: object = {},
    user: { uid?: number; gid?: number } = {},
  ) {
    const env = { FILE_SIGNAL_ROOT: place }
    const ended = await run('signal-raise', [JSON.stringify({ gaps, ...more })], { cwd: '/', env, ...user })
    expect(ended.stderr).to.equal('')
    const lines = ended.stdout.trim().split('\n')
    const last = JSON.parse(lines.pop() ?? '') as { reports: string[]; alive: string[] }
    return {
      ...last,
      code: ended.code,
      raised: lines.map((line) => JSON.parse(line) as { n: number; at: number }),
    }
  }

  /** Waits until a raise is noticed, and resolves with the milliseconds that it took. */
  async function latency({ engine, wakes }: Listening, n: number): Promise<number> {
    const at = now()
    engine.raise({ epoch: EPOCH, n })
    const wake = await until(
      () => wakes.find((seen) => seen.at >= at && seen.n >= n),
      `the wake-up of row ${n}`,
    )
    return wake.at - at
  }

  /** Waits until no wake-up is on its way any more. */
  async function quiet({ wakes }: Listening): Promise<void> {
    await until(() => wakes.length > 0 && now() - (wakes.at(-1)?.at ?? 0) > 150, 'quiet')
    wakes.length = 0
  }

  describe('raising', () => {
    it('writes the id and spaces, 48 bytes with the line break', () => {
      create().engine.raise({ epoch: EPOCH, n: 42 })
      expect(readFileSync(path, 'latin1')).to.equal(`${'testtest-42'.padEnd(47)}\n`)
    })

    it('makes folder and file, private unless told otherwise', () => {
      create().engine.raise({ epoch: EPOCH, n: 1 })
      expect(statSync(path).mode & 0o777).to.equal(0o600)
      expect(statSync(dirname(path)).mode & 0o777).to.equal(0o700)
      expect(existsSync(join(dirname(path), '.htaccess'))).to.equal(true)
    })

    it('writes in place: the file stays the same one, and shorter ids leave no tail', () => {
      const { engine } = create()
      engine.raise({ epoch: EPOCH, n: 1_000_000 })
      const { ino } = statSync(path)
      engine.raise({ epoch: EPOCH, n: 9 })
      expect(statSync(path)).to.include({ ino, size: 48 })
      expect(engine.newest?.()).to.deep.equal({ epoch: EPOCH, n: 9 })
    })

    it('goes on in a new file when the old one is deleted, replaced or renamed with its folder', () => {
      const { engine, reports } = create()
      const attacks = [
        () => unlinkSync(path),
        () => rmSync(dirname(path), { recursive: true }),
        () => renameSync(dirname(path), join(place, `away${Math.random()}`)),
        () => {
          writeFileSync(join(place, 'new'), '')
          renameSync(join(place, 'new'), path)
        },
      ]
      for (const [i, attack] of attacks.entries()) {
        engine.raise({ epoch: EPOCH, n: 10 * i + 1 })
        attack()
        engine.raise({ epoch: EPOCH, n: 10 * i + 2 })
        expect(readFileSync(path, 'latin1')).to.include(`testtest-${10 * i + 2} `)
        expect(engine.newest?.()).to.deep.equal({ epoch: EPOCH, n: 10 * i + 2 })
      }
      expect(reports).to.deep.equal([])
    })

    it('reports a link in the way once, again after it worked in between, and never throws', () => {
      const { engine, reports } = create()
      const raise = () => engine.raise({ epoch: EPOCH, n: 1 })
      raise()
      unlinkSync(path)
      writeFileSync(join(place, 'target'), 'untouched')
      symlinkSync(join(place, 'target'), path)
      for (let i = 0; i < 5; i += 1) raise()
      expect(reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
      expect(reports[0]?.remedy).to.equal(ERRORS.PATH_UNSAFE.remedy)
      expect(readFileSync(join(place, 'target'), 'utf8')).to.equal('untouched')
      expect(engine.newest?.()).to.equal(null)
      unlinkSync(path)
      raise()
      unlinkSync(path)
      symlinkSync('nowhere', path)
      for (let i = 0; i < 5; i += 1) raise()
      expect(reports).to.have.length(2)
    })

    it('is not frozen by a FIFO, with or without a reader', () => {
      const { engine, reports } = create()
      mkdirSync(dirname(path), { recursive: true })
      execFileSync('mkfifo', [path])
      engine.raise({ epoch: EPOCH, n: 1 })
      const reader = spawn('cat', [path], { stdio: 'ignore' })
      try {
        engine.raise({ epoch: EPOCH, n: 2 })
        expect(engine.newest?.()).to.equal(null)
        expect(reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
      } finally {
        reader.kill()
      }
    })

    it('reports an unknown root with the remedy for it', () => {
      const reports: FileSignalError[] = []
      const signalFile = () => {
        throw new FileSignalError('ROOT_UNKNOWN', 'no package.json')
      }
      const engine = fileSignal()(site(reports, { signalFile }))
      engine.raise({ epoch: EPOCH, n: 1 })
      expect(engine.newest?.()).to.equal(null)
      expect(reports[0]).to.include({ code: 'SIGNAL_FAILED', remedy: ERRORS.ROOT_UNKNOWN.remedy })
    })

    it('keeps no process alive and needs no watcher', async () => {
      const { code, reports, alive, raised } = await raiseElsewhere([0, 0, 0])
      expect({ code, reports, raised: raised.length }).to.deep.equal({ code: 0, reports: [], raised: 3 })
      expect(alive).to.not.include('FSEventWrap').and.to.not.include('Timeout')
    })

    it('after close does nothing', async () => {
      const { engine } = create()
      await engine.close()
      engine.raise({ epoch: EPOCH, n: 1 })
      expect(existsSync(path)).to.equal(false)
    })
  })

  describe('reading', () => {
    const contents: [string, { epoch: string | null; n: number } | null][] = [
      ['', null],
      ['\n', null],
      ['7', { epoch: null, n: 7 }],
      ['7\n', { epoch: null, n: 7 }],
      ['7\r\n', { epoch: null, n: 7 }],
      ['  7 \t rest\nmore', { epoch: null, n: 7 }],
      ['7\ncdefgh-123                 \n', { epoch: null, n: 7 }],
      ['\n7\n', null],
      ['testtest-12\n', { epoch: EPOCH, n: 12 }],
      ['testtest-12', { epoch: EPOCH, n: 12 }],
      [`testtest-12${'\0'.repeat(40)}\n`, { epoch: EPOCH, n: 12 }],
      [`${'a'.repeat(32)}-9007199254740991\n`, { epoch: 'a'.repeat(32), n: Number.MAX_SAFE_INTEGER }],
      ['9007199254740993\n', null],
      ['-5\n', null],
      ['1e5\n', null],
      ['testtest-\n', null],
      ['testtest-012\n', null],
      ['<html>\n', null],
      ['\0\0\0\0\n', null],
      ['\ufeff7\n', null],
      ['x'.repeat(100_000), null],
    ]

    it('takes an id or a bare number from the first line, whoever wrote it', () => {
      const { engine } = create()
      mkdirSync(dirname(path), { recursive: true })
      for (const [content, hint] of contents) {
        writeFileSync(path, content)
        expect(engine.newest?.(), JSON.stringify(content.slice(0, 60))).to.deep.equal(hint)
      }
    })

    it('creates nothing, and sees a file that comes, goes and is replaced', () => {
      const { engine } = create()
      expect(engine.newest?.()).to.equal(null)
      expect(existsSync(dirname(path))).to.equal(false)
      mkdirSync(dirname(path), { recursive: true })
      for (const n of [1, 2]) {
        writeFileSync(join(place, 'new'), `${n}\n`)
        renameSync(join(place, 'new'), path)
        expect(engine.newest?.()).to.deep.equal({ epoch: null, n })
      }
      unlinkSync(path)
      expect(engine.newest?.()).to.equal(null)
    })

    it('a file that was deleted and made again is another one, though its inode number was free', () => {
      const file = createSignalFile(site([]))
      try {
        for (let i = 0; i < 20; i += 1) {
          file.hold()
          expect(file.isHeld()).to.equal(true)
          unlinkSync(path)
          expect(file.isHeld()).to.equal(false)
          writeFileSync(path, '')
          expect(file.isHeld()).to.equal(false)
        }
      } finally {
        file.close()
      }
    })

    it('the self-test changes no number that stands there, and settles at 48 bytes', () => {
      const file = createSignalFile(site([]))
      try {
        mkdirSync(dirname(path), { recursive: true })
        for (const [content, hint] of contents) {
          writeFileSync(path, content)
          expect(file.touch()).to.equal(true)
          const { size } = statSync(path)
          expect(file.newest(), JSON.stringify(content.slice(0, 60))).to.deep.equal(hint)
          expect(file.touch()).to.equal(true)
          if (content.length < 48) expect([size, statSync(path).size]).to.deep.equal([48, 48])
        }
      } finally {
        file.close()
      }
    })
  })

  describe('listening', () => {
    it('wakes once when it began, watches, and keeps the process alive', async () => {
      const { listener, wakes, reports } = await listen()
      expect(listener.mode).to.equal('watch')
      expect(wakes.at(-1)?.kind).to.equal('watch')
      expect(process.getActiveResourcesInfo()).to.include('FSEventWrap')
      expect(reports).to.deep.equal([])
    })

    it('wakes within milliseconds, and once more a little later', async () => {
      const here = await listen()
      await quiet(here)
      expect(await latency(here, 1)).to.be.below(250)
      await until(() => here.wakes.some(({ kind }) => kind === 're-read'), 'the second look')
      const [first] = here.wakes
      const again = here.wakes.find(({ kind }) => kind === 're-read')
      expect((again?.at ?? 0) - (first?.at ?? 0)).to.be.within(50, 250)
    })

    it('notices each of 200 rapid touches of another process', async () => {
      const here = await listen()
      await quiet(here)
      const { raised } = await raiseElsewhere(Array.from({ length: 200 }, (_, i) => (i % 20 === 0 ? 3 : 0)))
      await until(() => here.wakes.some(({ n }) => n === 200), 'the last row')
      expect(lateOnes(raised, here)).to.deep.equal([])
    })

    it('notices each of two touches 1 to 80 ms apart within 250 ms', async function () {
      this.slow(15_000)
      const here = await listen()
      await quiet(here)
      const gaps = Array.from({ length: 28 }, (_, i) => [150, 1 + i * 3]).flat()
      const { raised } = await raiseElsewhere(gaps)
      await until(() => here.wakes.some(({ n }) => n === gaps.length), 'the last row')
      expect(lateOnes(raised, here)).to.deep.equal([])
    })

    it('notices a writer that truncates, one that replaces, and a plain touch', async () => {
      const here = await listen()
      await quiet(here)
      writeFileSync(path, '7\n')
      await until(() => here.wakes.some(({ n }) => n === 7), 'the truncating writer')
      writeFileSync(join(place, 'new'), '8\n')
      renameSync(join(place, 'new'), path)
      await until(() => here.wakes.some(({ n }) => n === 8), 'the replacing writer')
      await quiet(here)
      execFileSync('touch', [path])
      await until(() => here.wakes.length > 0, 'the plain touch')
    })

    it('is still there when the file was deleted and came back', async () => {
      const here = await listen()
      await quiet(here)
      unlinkSync(path)
      await until(() => existsSync(path), 'the new file')
      await until(() => here.listener.mode === 'watch', 'the new watcher')
      await quiet(here)
      expect(await latency(here, 5)).to.be.below(250)
      expect(here.reports).to.deep.equal([])
    })

    it('is still there when the file was deleted and made again at once', async () => {
      const here = await listen()
      await quiet(here)
      const { ino } = statSync(path)
      unlinkSync(path)
      writeFileSync(path, '')
      for (let i = 0; i < 20 && statSync(path).ino !== ino; i += 1) {
        writeFileSync(join(place, `new${i}`), '')
        renameSync(join(place, `new${i}`), path)
      }
      await here.listener.check()
      await quiet(here)
      expect(await latency(here, 5)).to.be.below(250)
    })

    it('a folder that is deleted is noticed by check, made again and watched', async () => {
      const here = await listen()
      await quiet(here)
      renameSync(dirname(path), join(place, 'away'))
      await here.listener.check()
      expect(existsSync(path)).to.equal(true)
      expect(here.listener.mode).to.equal('watch')
      expect(here.wakes.length).to.be.above(0)
      await quiet(here)
      expect(await latency(here, 6)).to.be.below(250)
    })

    it('a folder that is deleted and made again by a publisher brings no row later than the next check', async () => {
      const here = await listen()
      await quiet(here)
      rmSync(dirname(path), { recursive: true })
      await raiseElsewhere([0])
      await here.listener.check()
      await until(() => here.wakes.some(({ n }) => n === 1), 'the row raised meanwhile')
      await quiet(here)
      expect(await latency(here, 7)).to.be.below(250)
      expect(here.reports).to.deep.equal([])
    })

    it('two instances on one file in one process both go on after it was replaced', async () => {
      const one = await listen()
      const two = await listen()
      await quiet(one)
      const attacks = [
        () => renameSync(dirname(path), join(place, 'away')),
        () => {
          writeFileSync(join(place, 'new'), '')
          renameSync(join(place, 'new'), path)
        },
      ]
      for (const [i, attack] of attacks.entries()) {
        attack()
        // The check of one heals both.
        await one.listener.check()
        await until(() => two.listener.mode === 'watch', 'the other one to watch')
        await quiet(one)
        two.wakes.length = 0
        one.engine.raise({ epoch: EPOCH, n: i + 1 })
        for (const here of [one, two]) {
          await until(() => here.wakes.some(({ kind, n }) => kind === 'watch' && n === i + 1), 'both to wake')
          expect(here.listener.mode).to.equal('watch')
        }
      }
      await one.listener.close()
      await quiet(two)
      expect(await latency(two, 9)).to.be.below(250)
      expect([...one.reports, ...two.reports]).to.deep.equal([])
    })

    it('a link or a FIFO in place of the file is reported once, and healed when it has gone', async () => {
      for (const obstacle of ['link', 'fifo']) {
        const here = await listen()
        await quiet(here)
        unlinkSync(path)
        if (obstacle === 'fifo') execFileSync('mkfifo', [path])
        else symlinkSync('nowhere', path)
        for (let i = 0; i < 3; i += 1) await here.listener.check()
        expect(here.reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
        expect(here.reports[0]?.remedy).to.equal(ERRORS.PATH_UNSAFE.remedy)
        expect(here.listener.mode).to.equal('poll')
        unlinkSync(path)
        await here.listener.check()
        expect(here.listener.mode).to.equal('watch')
        await quiet(here)
        expect(await latency(here, 8)).to.be.below(250)
        await here.engine.close()
      }
    })

    it('a link in place of the file from the start does not keep it from listening', async () => {
      mkdirSync(dirname(path), { recursive: true })
      symlinkSync('nowhere', path)
      const { listener, reports } = await listen()
      expect(listener.mode).to.equal('poll')
      expect(reports.map(({ code }) => code)).to.deep.equal(['SIGNAL_FAILED'])
      unlinkSync(path)
      await listener.check()
      expect(listener.mode).to.equal('watch')
    })

    it('a second check joins the healing of the first, and close ends it', async () => {
      const here = await listen()
      rmSync(dirname(path), { recursive: true })
      await Promise.all([here.listener.check(), here.listener.check(), here.listener.check()])
      expect(here.listener.mode).to.equal('watch')
      rmSync(dirname(path), { recursive: true })
      await Promise.all([
        here.listener.check(),
        here.listener.close(),
        here.engine.close(),
        here.listener.close(),
      ])
      const { length } = here.wakes
      create().engine.raise({ epoch: EPOCH, n: 1 })
      await sleep(100)
      expect(here.wakes).to.have.length(length)
    })

    it('can be closed while it begins', async () => {
      const { engine } = create()
      const listening = engine.listen(() => {})
      await engine.close()
      await (await listening).close()
    })
  })

  describe('polling', () => {
    it('on request never watches, and wakes within two looks', async () => {
      const here = await listen({ polling: true })
      expect(here.listener.mode).to.equal('poll')
      await quiet(here)
      expect(process.getActiveResourcesInfo()).to.not.include('FSEventWrap')
      expect(await latency(here, 1)).to.be.below(350)
      expect(here.wakes[0]?.kind).to.equal('poll')
      expect(here.reports).to.deep.equal([])
    })

    it('looks again after a fresh mtime, which a second write may not change', async () => {
      const here = await listen({ polling: true }, { poll: 5, reread: 60_000 })
      await quiet(here)
      for (let n = 1; n <= 20 && here.wakes.length < 2; n += 1) {
        here.wakes.length = 0
        await latency(here, n)
        await sleep(50)
      }
      expect(here.wakes.map(({ kind }) => kind)).to.deep.equal(['poll', 'poll'])
    })

    it('makes the file again, and notices what is written to it', async () => {
      const here = await listen({ polling: true })
      rmSync(dirname(path), { recursive: true })
      await here.listener.check()
      expect(existsSync(path)).to.equal(true)
      expect(await latency(here, 3)).to.be.below(350)
    })

    it('a local disk counts as no network', () => {
      mkdirSync(dirname(path), { recursive: true })
      expect(networkOf(path)).to.equal(null)
      expect(networkOf(join(place, 'missing/file'))).to.equal(null)
    })
  })

  describe('where the system refuses', () => {
    interface Line {
      wake?: WakeKind
      n?: number | null
      mode?: string
      report?: string
      remedy?: string
      message?: string
      listening?: string
      done?: string
    }

    /** A listener in a process of its own, and what it printed. */
    function listenElsewhere(options: ChildOptions): { child: Child; lines: () => Line[] } {
      const child = start('signal-listen', [path], { cwd: '/', ...options })
      children.push(child)
      return { child, lines: () => child.lines.map((line) => JSON.parse(line) as Line) }
    }

    it('inotify spent: polls, says so once, and watches again when there is some', async function () {
      const prefix = withoutInotify()
      if (!prefix) skip(this, 'unshare cannot make a user namespace here')
      const { child, lines } = listenElsewhere({ prefix })
      const { listening } = await until(() => lines().find((line) => line.listening), 'the listener')
      expect(listening).to.equal('poll')
      const raising = create().engine
      raising.raise({ epoch: EPOCH, n: 1 })
      await until(() => lines().some(({ wake, n }) => wake === 'poll' && n === 1), 'the row, by polling')
      // Several attempts to watch again have failed by now: each ends with one wake-up.
      await until(() => lines().filter(({ wake }) => wake === 'poll').length > 4, 'attempts to watch again')
      const reports = lines().filter(({ report }) => report)
      expect(reports).to.have.length(1)
      expect(reports[0]).to.include({ report: 'WATCH_FAILED', remedy: ERRORS.WATCH_FAILED.remedy })
      expect(reports[0]?.message).to.include('EMFILE')
      child.send('inotify 16')
      await until(() => lines().some(({ wake, mode }) => wake === 'watch' && mode === 'watch'), 'the watcher')
      raising.raise({ epoch: EPOCH, n: 2 })
      await until(() => lines().some(({ wake, n }) => wake === 'watch' && n === 2), 'the row, by the watcher')
      child.send('close')
      expect(await child.ended).to.include({ code: 0, stderr: '' })
    })

    it('a silent watcher is found out by the self-test, and left when it speaks', async () => {
      const env = { CHOKIDAR_USEPOLLING: '1', CHOKIDAR_INTERVAL: '3600000' }
      const { child, lines } = listenElsewhere({ env })
      const { listening } = await until(() => lines().find((line) => line.listening), 'the listener')
      expect(listening).to.equal('poll')
      expect(lines().filter(({ report }) => report)).to.have.length(1)
      expect(lines().find(({ report }) => report)).to.include({ report: 'WATCH_FAILED' })
      create().engine.raise({ epoch: EPOCH, n: 1 })
      await until(() => lines().some(({ wake, n }) => wake === 'poll' && n === 1), 'the row, by polling')
      child.send('native')
      await until(() => lines().some(({ wake, mode }) => wake === 'watch' && mode === 'watch'), 'the watcher')
      expect(lines().filter(({ report }) => report)).to.have.length(1)
      child.send('close')
      expect(await child.ended).to.include({ code: 0, stderr: '' })
    })

    for (const what of ['file', 'folder'] as const) {
      it(`the ${what} made unreadable: says so once, goes on, and heals`, async function () {
        const why = noSecondUser()
        if (why) skip(this, why)
        chownSync(place, 54301, 54301)
        const { child, lines } = listenElsewhere({ uid: 54301, gid: 54301 })
        await until(() => lines().some(({ listening }) => listening === 'watch'), 'the listener')
        const locked = what === 'file' ? path : dirname(path)
        const mode = statSync(locked).mode & 0o777
        chmodSync(locked, 0)
        for (let i = 0; i < 3; i += 1) child.send('check')
        await until(() => lines().filter(({ done }) => done).length === 3, 'three checks')
        const reports = lines().filter(({ report }) => report)
        expect(reports).to.have.length(1)
        expect(reports[0]).to.include({ report: 'SIGNAL_FAILED', remedy: ERRORS.SIGNAL_FAILED.remedy })
        expect(lines().at(-1)?.mode).to.equal('poll')
        chmodSync(locked, mode)
        child.send('check')
        await until(
          () =>
            lines()
              .filter(({ done }) => done)
              .at(3)?.mode === 'watch',
          'the watcher',
        )
        create().engine.raise({ epoch: EPOCH, n: 1 })
        await until(
          () => lines().some(({ wake, n }) => wake === 'watch' && n === 1),
          'the row, by the watcher',
        )
        expect(lines().filter(({ report }) => report)).to.have.length(1)
      })
    }

    it('a publisher of another user wakes us through a shared group', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      const reports: FileSignalError[] = []
      const engine = fileSignal()(site(reports, { mode: 0o660, group: 54300 }))
      open.push(engine)
      const rows: (number | null)[] = []
      await engine.listen(() => rows.push(engine.newest?.()?.n ?? null))
      const rights = { mode: 0o660, group: 54300 }
      const user = { uid: 54302, gid: 54300 }
      expect((await raiseElsewhere([0], rights, user)).reports).to.deep.equal([])
      await until(() => rows.includes(1), 'the row of the other user')
      expect(reports).to.deep.equal([])
    })

    it('a publisher without the right to write says so once, and exits well', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      create().engine.raise({ epoch: EPOCH, n: 5 })
      const { code, reports } = await raiseElsewhere([0, 0, 0], {}, { uid: 54302, gid: 54302 })
      expect({ code, reports }).to.deep.equal({ code: 0, reports: ['SIGNAL_FAILED'] })
      expect(readFileSync(path, 'latin1')).to.include('testtest-5 ')
    })

    it('a listener that may not write believes its watcher without a test', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      const { engine } = create()
      engine.raise({ epoch: EPOCH, n: 5 })
      chmodSync(dirname(path), 0o755)
      chmodSync(join(place, 'tmp'), 0o755)
      chmodSync(path, 0o644)
      const { lines } = listenElsewhere({ uid: 54302, gid: 54302 })
      await until(() => lines().some(({ listening }) => listening === 'watch'), 'the listener')
      engine.raise({ epoch: EPOCH, n: 6 })
      await until(() => lines().some(({ wake, n }) => wake === 'watch' && n === 6), 'the row')
      expect(lines().filter(({ report }) => report)).to.deep.equal([])
    })
  })
})

/** A command that runs another where the kernel refuses inotify with EMFILE, or null where that cannot be had. */
function withoutInotify(): string[] | null {
  const prefix = ['unshare', '--user', '--map-root-user', 'sh', '-c']
  const refuse = 'echo 0 > /proc/sys/user/max_inotify_instances'
  try {
    execFileSync('unshare', [...prefix.slice(1), refuse], { stdio: 'pipe' })
    return [...prefix, `${refuse} && exec "$0" "$@"`]
  } catch {
    return null
  }
}

/** Rows after whose raise no wake-up came within 250 ms that could see them. */
function lateOnes(
  raised: { n: number; at: number }[],
  { wakes }: Listening,
): { n: number; after: number | null }[] {
  return raised
    .map(({ n, at }) => ({
      n,
      after: (wakes.find((wake) => wake.at >= at && wake.n >= n)?.at ?? Number.NaN) - at,
    }))
    .filter(({ after }) => !(after <= 250))
    .map(({ n, after }) => ({ n, after: Number.isNaN(after) ? null : after }))
}

/** Milliseconds on the one clock that all processes of a machine share. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
