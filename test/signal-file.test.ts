import { execFileSync, spawn } from 'node:child_process'
import {
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
import { expect } from 'chai'
import { ERRORS, FileSignalError } from '../dist/errors.js'
import { createSignalFile } from '../dist/signal/signal-file.js'
import { EPOCH, useSignals } from './support/signals.js'

describe('the signal file', () => {
  const { here, site, create, raiseElsewhere } = useSignals()
  let place: string
  let path: string
  beforeEach(() => {
    place = here().place
    path = here().path
  })

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
      const signalFile = () => {
        throw new FileSignalError('ROOT_UNKNOWN', 'no package.json')
      }
      const { engine, reports } = create({}, {}, { signalFile })
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
})
