import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { nameOfType } from '../dist/network-disk.js'
import { noSecondUser } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'

const CLI = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const USER = { uid: 54_323, gid: 54_323 }

describe('the true cause of trouble', () => {
  let root: string

  beforeEach(() => {
    root = freshFolder()
    writeFileSync(join(root, 'package.json'), '{"name":"app"}')
  })

  function run(command: string, words: readonly string[], user: object = {}) {
    const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8', cwd: root, ...user })
    return { status, stdout, stderr }
  }

  const publish = (user: object = {}) =>
    run(process.execPath, [CLI, '--root', root, 'signal', 'a', '1'], user)

  /** Publishes while the system refuses one call on one of the store's files. */
  function refused(side: string, call: string, error: string) {
    const file = join(root, `data/sse_payloads.sqlite${side}`)
    const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${error}`]
    const words = [
      '-f',
      '-qq',
      '-o',
      '/dev/null',
      '-P',
      file,
      ...inject,
      process.execPath,
      CLI,
      '--root',
      root,
    ]
    return run('strace', [...words, 'signal', 'a', '1'])
  }

  describe('of a call that the system refuses', () => {
    before(function () {
      if (spawnSync('strace', ['true']).status !== 0) skip(this, 'no strace here: apt-get install strace')
    })

    const CAUSES: [what: string, side: string, call: string, error: string, code: string, told: RegExp][] = [
      ['a spent quota', '-wal', 'pwrite64', 'EDQUOT', 'STORE_FULL', /quota of .* is spent/],
      ['a full disk', '-wal', 'pwrite64', 'ENOSPC', 'STORE_FULL', /the disk is full/],
      ['a broken disk', '-wal', 'pwrite64', 'EIO', 'STORE_FAILED', /the disk failed .*dmesg/],
      ['files open', '-wal', 'openat', 'EMFILE', 'STORE_LIMITS', /ulimit -n/],
      ['files open, at the store itself', '', 'openat', 'EMFILE', 'STORE_LIMITS', /\d+ is its limit/],
      ['files open in the whole machine', '-wal', 'openat', 'ENFILE', 'STORE_LIMITS', /fs\.file-max/],
      ['a read-only mount', '-wal', 'openat', 'EROFS', 'STORE_UNWRITABLE', /mounted read-only/],
    ]

    for (const [what, side, call, error, code, told] of CAUSES) {
      it(`${what} (${error}) is ${code}, and the event can be signalled again afterwards`, () => {
        if (side === '') expect(publish().status).to.equal(0)
        const { status, stderr } = refused(side, call, error)
        expect(status).to.equal(1)
        expect(stderr.slice(0, code.length + 1)).to.equal(`${code}:`)
        expect(stderr).to.match(told)
        expect(publish().status).to.equal(0)
        expect(readdirSync(join(root, 'data')).filter((name) => name.includes('probe'))).to.deep.equal([])
      })
    }

    for (const [call, error] of [
      ['mmap', 'ENODEV'],
      ['ftruncate', 'EINVAL'],
    ] as const) {
      it(`a -shm that cannot be used (${call}: ${error}): a rollback journal, said once, new or with a -wal`, () => {
        const first = refused('-shm', call, error)
        expect([first.status, first.stderr.match(/STORE_NETWORK/g)?.length]).to.deep.equal([0, 1])
        expect(first.stderr).to.match(/shared memory/)
        // The store remembers: nobody tries again.
        const second = publish()
        expect([second.status, second.stderr.match(/STORE_NETWORK/g)?.length]).to.deep.equal([0, 1])
        expect(readdirSync(join(root, 'data'))).to.not.include('sse_payloads.sqlite-wal')
        expect(second.stdout).to.equal(first.stdout.replace('-1', '-2'))
      })
    }

    it('a store in WAL mode that comes to a disk without shared memory keeps its events', () => {
      const before = publish()
      const after = refused('-shm', 'mmap', 'ENODEV')
      expect(after.status).to.equal(0)
      const rows = run(process.execPath, [CLI, '--root', root, '--json', 'stats']).stdout
      expect(JSON.parse(rows).store.rows).to.equal(2)
      expect(before.status).to.equal(0)
    })
  })

  it('knows the disks that others share, on 32 bits too', () => {
    const kinds = [0x6969, 0x01021997, 0x786f4256, 0x65735546, 0xff534d42, 0xff534d42 | 0]
    expect(kinds.map(nameOfType)).to.deep.equal(['NFS', '9p', 'vboxsf', 'FUSE', 'CIFS', 'CIFS'])
    expect(nameOfType(0xef53)).to.equal(null)
  })

  it('a read-only mount is named, by the store and by the signal file', async function () {
    mkdirSync(join(root, 'tmp'))
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', join(root, 'tmp')], { stdio: 'pipe' })
    } catch {
      skip(this, 'this user may not mount a tmpfs')
    }
    try {
      const { status, stderr } = publish()
      expect(status).to.equal(0)
      expect(stderr).to.match(/^SIGNAL_FAILED: .*EROFS/)
      expect(stderr).to.include(`${join(root, 'tmp')}" is mounted read-only`)
      const elsewhere = createFileSignal({ root, database: 'tmp/data/store.sqlite', onError: () => {} })
      const error = await elsewhere.signal('a', 1).catch((thrown: Error) => thrown)
      expect(error).to.have.property('code', 'STORE_UNWRITABLE')
      expect(String(error)).to.include(`${join(root, 'tmp')}" is mounted read-only`)
      await elsewhere.close()
    } finally {
      execFileSync('umount', [join(root, 'tmp')])
    }
  })

  describe('between users', () => {
    before(function () {
      const why = noSecondUser()
      if (why) skip(this, why)
    })

    it('what root makes first in the project of another user is that user’s', () => {
      chownSync(root, USER.uid, USER.gid)
      expect(publish().status).to.equal(0)
      for (const place of [
        'data',
        'data/sse_payloads.sqlite',
        'data/.htaccess',
        'tmp/sse_signals/events.signal',
      ]) {
        const { uid, gid } = lstatSync(join(root, place))
        expect({ uid, gid }, place).to.deep.equal(USER)
      }
      const { status, stderr } = publish(USER)
      expect([status, stderr]).to.deep.equal([0, ''])
    })

    it('what belongs to another is said to, with the command that gives it away', () => {
      expect(publish().status).to.equal(0)
      chmodSync(root, 0o755)
      const { status, stderr } = publish(USER)
      expect(status).to.equal(1)
      expect(stderr).to.match(/^STORE_UNWRITABLE: .* belongs to root \(0\)/)
      expect(stderr).to.include(`sudo chown -R ${USER.uid}: ${join(root, 'data')}`)
    })

    it('the signal file of another, too', () => {
      chmodSync(root, 0o755)
      mkdirSync(join(root, 'data'))
      chownSync(join(root, 'data'), USER.uid, USER.gid)
      mkdirSync(join(root, 'tmp/sse_signals'), { recursive: true, mode: 0o755 })
      const { status, stderr } = publish(USER)
      expect(status).to.equal(0)
      expect(stderr).to.match(/^SIGNAL_FAILED: .*EACCES: .* belongs to root \(0\)/)
      expect(stderr).to.include(`sudo chown -R ${USER.uid}: ${join(root, 'tmp/sse_signals')}`)
    })
  })
})
