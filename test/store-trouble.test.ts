import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal, type FileSignal } from 'file-signal'
import { noSecondUser, run } from './support/child.js'
import { failure } from './support/failure.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'
import { until } from './support/wait.js'

describe('a store in trouble', () => {
  let root: string
  let instances: FileSignal[]

  beforeEach(() => {
    root = freshFolder()
    instances = []
  })

  afterEach(async () => {
    for (const instance of instances) await instance.close()
  })

  function create(options: Parameters<typeof createFileSignal>[0] = {}): FileSignal {
    const instance = createFileSignal({ root, ...options })
    instances.push(instance)
    return instance
  }

  it('says STORE_FULL on a full disk, keeps every acknowledged row, and goes on when there is room', async function () {
    const disk = join(root, 'data')
    mkdirSync(disk)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk], { stdio: 'pipe' })
    } catch {
      skip(this, 'this user may not mount a tmpfs')
    }
    try {
      const events = create()
      let acknowledged = 0
      const error = await (async () => {
        for (;;) {
          await events.signal('a', 'x'.repeat(20_000))
          acknowledged += 1
        }
      })().catch((thrown: unknown) => failure(Promise.reject(thrown)))
      expect(error.code).to.equal('STORE_FULL')
      expect(acknowledged).to.be.above(5)
      const batch = Array.from({ length: 40 }, () => ({ key: 'a', payload: 'y'.repeat(20_000) }))
      expect((await failure(events.signalMany(batch))).code).to.equal('STORE_FULL')
      expect((await events.stats()).store.rows).to.equal(acknowledged)
      execFileSync('mount', ['-o', 'remount,size=16m', disk])
      await events.signal('a', 'room again')
      expect((await events.stats()).store.rows).to.equal(acknowledged + 1)
      await events.close()
    } finally {
      execFileSync('umount', [disk])
    }
  })

  it('says STORE_UNWRITABLE to a user who may not write it, with the remedy for two users', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    await create().signal('a', 1)
    chmodSync(root, 0o755)
    const { code, stderr } = await run('publish', [publishing(1)], { uid: 54_322, gid: 54_322 })
    expect(code).to.not.equal(0)
    expect(stderr).to.include('STORE_UNWRITABLE')
    expect(stderr).to.include('mode: 0o660')
  })

  it('is shared by a cron user and a web user of one group with mode 0o660', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    const group = 54_400
    chmodSync(root, 0o755)
    const web = create({ mode: 0o660, group })
    await web.signal('a', 'from the web user')
    const heard: unknown[] = []
    const subscriber = web.subscribe('a')
    const listening = (async () => {
      for await (const event of subscriber) heard.push(event.payload)
    })()
    const cron = await run('publish', [publishing(20, { mode: 0o660, group })], { uid: 54_322, gid: group })
    expect([cron.code, cron.stderr]).to.deep.equal([0, ''])
    await until(() => heard.length === 20, 'all twenty')
    await web.signal('a', 'after it')
    await until(() => heard.length === 21, 'one more')
    await subscriber.return()
    await listening
  })

  it('recovers from a folder that was made unreadable for a while', async function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    // Root may read everything, so the process of another user tells.
    chmodSync(root, 0o777)
    const first = await run('publish', [publishing(1)], { uid: 54_322, gid: 54_322 })
    expect(first.stderr).to.equal('')
    chmodSync(join(root, 'data'), 0o000)
    const second = await run('publish', [publishing(1)], { uid: 54_322, gid: 54_322 })
    expect(second.stderr).to.include('STORE_UNWRITABLE')
    chmodSync(join(root, 'data'), 0o700)
    const third = await run('publish', [publishing(1)], { uid: 54_322, gid: 54_322 })
    expect([third.code, third.stderr]).to.deep.equal([0, ''])
    expect((await create().stats()).store.rows).to.equal(2)
  })

  it('warns once on a network disk, keeps a rollback journal and polls, and loses nothing', async function () {
    const [behind, disk] = [join(root, 'behind'), join(root, 'disk')]
    mkdirSync(behind)
    mkdirSync(disk)
    // FUSE is the network file system that a test can have: sshfs is one too.
    try {
      execFileSync('bindfs', [behind, disk], { stdio: 'pipe' })
    } catch {
      skip(this, 'no FUSE here: apt-get install bindfs, and run as root')
    }
    try {
      const reports: string[] = []
      const onError = ({ code }: { code: string }) => reports.push(code)
      const [web, cron] = [create({ root: disk, onError }), create({ root: disk, onError: () => {} })]
      const heard: unknown[] = []
      const subscriber = web.subscribe('a')
      const listening = (async () => {
        for await (const event of subscriber) heard.push(event.payload)
      })()
      await until(async () => (await web.stats()).streams.mode === 'poll', 'polling')
      for (let i = 0; i < 20; i += 1) await cron.signal('a', i)
      await until(() => heard.length === 20, 'all twenty')
      expect(readdirSync(join(disk, 'data'))).to.not.include('sse_payloads.sqlite-wal')
      expect(reports.sort()).to.deep.equal(['STORE_NETWORK', 'WATCH_FAILED'])
      await subscriber.return()
      await listening
      await web.close()
      await cron.close()
    } finally {
      execFileSync('umount', [disk])
    }
  })

  function publishing(count: number, options: object = {}): string {
    return JSON.stringify({ key: 'a', count, options: { root, ...options }, oneByOne: true })
  }
})
