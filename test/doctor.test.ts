import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { type Check, createFileSignal, type Diagnosis, doctor } from 'file-signal'
import { kindOf, mountOf, parseQuota } from '../dist/doctor/local/disk.js'
import { lockHolders, nameOf } from '../dist/doctor/local/holders.js'
import { satisfies } from '../dist/doctor/local/node.js'
import { couldWrite } from '../dist/doctor/local/rights.js'
import { runCli } from './setup/cli.js'
import { withoutInotify } from './setup/inotify.js'
import { fixture, noSecondUser, run } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { openRawDatabase } from './support/raw-database.js'
import { skip } from './support/skip.js'
import { startWeb } from './support/web.js'

const here = dirname(dirname(fileURLToPath(import.meta.url)))
const MAIN = join(here, 'dist/cli/main.js')
const WWW = 33

describe('doctor', () => {
  let root: string
  beforeEach(() => {
    root = freshFolder()
    writeFileSync(join(root, 'package.json'), '{"name":"shop"}')
  })

  const store = () => join(root, 'data/sse_payloads.sqlite')

  /** Runs the real command, with `prefix` before it. */
  function command(
    args: readonly string[],
    prefix: readonly string[] = [],
    env: NodeJS.ProcessEnv = {},
  ): Diagnosis {
    const [program = '', ...words] = [
      ...prefix,
      process.execPath,
      MAIN,
      '--root',
      root,
      'doctor',
      '--json',
      ...args,
    ]
    const { stdout, stderr } = spawnSync(program, words, {
      encoding: 'utf8',
      env: { ...process.env, ...env },
    })
    if (!stdout.startsWith('{')) throw new Error(stderr)
    return JSON.parse(stdout)
  }

  it('finds nothing wrong in a new project on a local disk, and creates what a publisher would', async () => {
    const found = await doctor({ root })
    expect(found.checks.filter(({ status }) => status === 'fail' || status === 'warn')).to.deep.equal([])
    expect(found).to.include({ ok: true, stream: null })
    expect(find(found, 'round trip').details.time).to.be.within(0, 500)
    expect(find(found, 'another process').details).to.include({ mode: 'watch' })
    expect(readdirSync(join(root, 'tmp/sse_signals')).sort()).to.deep.equal([
      '.gitignore',
      '.htaccess',
      'events.signal',
    ])
  })

  it('publishes to its own key alone', async () => {
    await doctor({ root })
    const events = createFileSignal({ root })
    const { epoch, rows, keys } = (await events.stats()).store
    await events.end('file-signal:doctor')
    const heard: string[] = []
    for await (const { key, event } of events.subscribe('file-signal:doctor', { after: `${epoch}-0` })) {
      heard.push(`${key} ${event}`)
    }
    await events.close()
    expect({ rows, keys }).to.deep.equal({ rows: 2, keys: 1 })
    expect(heard).to.deep.equal(Array(2).fill('file-signal:doctor doctor'))
  })

  it('tells each check as soon as it is done', async () => {
    const told: Check[] = []
    const { checks, counts } = await doctor({ root, onCheck: (check) => told.push(check) })
    expect(told).to.deep.equal(checks)
    expect(counts.pass + counts.warn + counts.fail + counts.skip).to.equal(checks.length)
  })

  it('loads none of its modules before it is called', () => {
    const script = `
      import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(\`
        import { writeSync } from 'node:fs'
        export async function load(url, context, next) {
          if (url.includes('/dist/')) writeSync(1, url + '\\\\n')
          return next(url, context)
        }\`))
      await import('file-signal')`
    const out = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: here,
      encoding: 'utf8',
    })
    expect(out).to.include('/dist/doctor.js')
    expect(out).to.not.include('/dist/doctor/')
  })

  it('sees a web process that has the store open', async () => {
    const web = await startWeb({ keys: ['k'], options: { root } })
    try {
      const client = await fetch(web.url)
      const { seen, details } = find(command([]), 'store in use')
      const [holder] = details.holders as { pid: number; command: string }[]
      expect(holder?.pid).to.equal(web.child.process.pid)
      // Its options are words of its command line too, and stay there.
      expect(holder?.command).to.equal(`node ${fixture('web')}`)
      expect(seen).to.include(`process ${holder?.pid} of `).and.not.include('keys')
      await client.body?.cancel()
    } finally {
      await web.child.stop()
    }
  })

  it('names of another process its program and script, and no word that may be a password', () => {
    expect(nameOf(['/usr/bin/node', '--title=x', '/srv/app.js', '--password=secret'])).to.equal(
      'node /srv/app.js',
    )
    expect(nameOf(['mysql', '-psecret', 'secret', '-'])).to.equal('mysql')
    expect(nameOf(['node', '-e', 'connect("secret.js")', 'secret'])).to.equal('node')
    expect(nameOf(['Passenger NodeApp: /home/me (secret)'])).to.equal('Passenger')
    expect(nameOf([])).to.equal(null)
  })

  it('finds who holds a lock, and nobody who holds one of that number on another file system', () => {
    const locks = `1: POSIX  ADVISORY  READ 4242 fe:0a:131 128 128
2: POSIX  ADVISORY  READ 4243 08:01:131 128 128
3: -> POSIX  ADVISORY  WRITE 4244 fe:0a:131 120 120
4: OFDLCK ADVISORY  READ -1 fe:0a:131 128 128\n`
    expect(lockHolders(locks, ['254:10:131'])).to.deep.equal([4242, 4244])
    expect(lockHolders(locks, ['254:10:13', '8:2:131'])).to.deep.equal([])
  })

  it('finds the lock of a process whose open files may not be looked into', async function () {
    if (mountOf(root) === null) skip(this, 'this system does not list its mounts')
    const database = openRawDatabase(join(root, 'x.sqlite'))
    try {
      database.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)')
      const { ino } = statSync(join(root, 'x.sqlite-shm'))
      const locks = readFileSync('/proc/locks', 'utf8')
      expect(lockHolders(locks, [`${mountOf(join(root, 'x.sqlite'))?.device}:${ino}`])).to.include(
        process.pid,
      )
    } finally {
      database.close()
    }
  })

  it('tells what it can inside an app that is out of descriptors, which lives on', async () => {
    const { code, stdout, stderr } = await run('doctor-starved', [root], {
      prefix: ['sh', '-c', 'ulimit -n 128; exec "$@"', 'sh'],
    })
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
    const found: Diagnosis = JSON.parse(stdout)
    expect(find(found, 'npm')).to.include({ status: 'skip' })
    expect(find(found, 'npm').seen).to.include('EMFILE')
    expect(find(found, 'sqlite driver').seen).to.include('no child can be started here (EMFILE)')
  })

  it('tells that the app’s own instance cannot read its store, and publishes nowhere', async () => {
    mkdirSync(join(root, 'data'))
    writeFileSync(store(), 'a diary, not a database\n'.repeat(100))
    const events = createFileSignal({ root })
    const elsewhere = freshFolder()
    try {
      const found = await doctor({ root: elsewhere, events })
      expect(find(found, 'instance')).to.include({
        status: 'fail',
        remedy: 'point FILE_SIGNAL_DATABASE at a path of its own',
      })
      expect(find(found, 'instance').seen).to.match(/^its stats\(\) failed: STORE_FOREIGN: [^;]+$/)
      expect(find(found, 'round trip').status).to.equal('skip')
      expect(readdirSync(elsewhere)).to.deep.equal([])
    } finally {
      await events.close()
    }
  })

  describe('says of the machine', () => {
    it('whether this Node is one of those that the package needs', () => {
      const range = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')).engines.node
      for (const version of ['20.19.0', '20.20.2', '22.13.0', '24.1.0']) {
        expect(satisfies(version, range), version).to.equal(true)
      }
      for (const version of ['18.20.4', '20.18.3', '21.7.0', '22.11.0']) {
        expect(satisfies(version, range), version).to.equal(false)
      }
    })

    it('that the SQLite driver kills its process, without being killed itself', async () => {
      const main = install(root, `process.kill(process.pid, 'SIGSEGV')`)
      const folders = freshFolder()
      const { status, stdout } = spawnSync(process.execPath, [main, '--root', root, 'doctor', '--json'], {
        encoding: 'utf8',
        env: { ...process.env, TMPDIR: folders },
      })
      const found: Diagnosis = JSON.parse(stdout)
      expect(status).to.equal(1)
      expect(readdirSync(folders).filter((name) => name.startsWith('file-signal'))).to.deep.equal([])
      expect(find(found, 'sqlite driver').seen).to.match(
        /^loading better-sqlite3 killed its process \(SIGSEGV\)/,
      )
      expect(find(found, 'sqlite driver').remedy).to.include('npm install better-sqlite3@12')
      expect(find(found, 'round trip').status).to.equal('skip')
      expect(existsSync(store())).to.equal(false)
    })

    it('which panel has started it', () => {
      const env = { IN_PASSENGER: '1', LSNODE_ROOT: root }
      expect(find(command([], [], env), 'panel').details.found).to.deep.equal([
        'Passenger',
        'LiteSpeed (lsnode)',
      ])
    })

    it('that npm cannot be asked, which stops nobody', async () => {
      const found = command([], [], { PATH: '' })
      expect(find(found, 'npm')).to.include({ status: 'skip' })
      expect(find(found, 'npm').seen).to.include('ENOENT')
      expect(found.ok).to.equal(true)
    })
  })

  describe('says of the files', () => {
    it('that the root depends on the working directory', async () => {
      const script = `import { doctor } from '${join(here, 'dist/index.js')}'
        console.log(JSON.stringify(await doctor()))`
      const args = ['--input-type=module', '-e', script]
      const found: Diagnosis = JSON.parse(
        execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' }),
      )
      const rule = `package.json above the working directory ${root}`
      expect(find(found, 'root')).to.deep.include({ status: 'warn', details: { path: root, rule } })
      expect(find(found, 'root').remedy).to.include('FILE_SIGNAL_ROOT')
      // Its children must not run the script of this process.
      expect(find(found, 'sqlite driver').status).to.equal('pass')
    })

    it('that no root can be found, and looks no further', async () => {
      const found = await doctor({ root: join(root, 'not-there') })
      expect(find(found, 'root')).to.include({ status: 'fail' })
      expect(find(found, 'root').seen).to.match(/^ROOT_UNKNOWN: /)
      expect(find(found, 'round trip').status).to.equal('skip')
    })

    it('whose they are, where a second user may not write them', function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      chmodSync(root, 0o755)
      command([])
      const found = as(WWW, MAIN)
      expect(find(found, 'rights').seen).to.match(
        /^www-data \(33\) may not write .*data \(owner root \(0\), 0700\)/,
      )
      expect(find(found, 'rights').remedy).to.include('mode: 0o660')
      expect(find(found, 'owner')).to.include({ status: 'warn' })
      expect(find(found, 'round trip').status).to.equal('skip')
    })

    it('that root would make files which the owner of the project could not write, and makes none', function () {
      if (process.getuid?.() !== 0) skip(this, 'only root can give a folder away')
      chownSync(root, WWW, WWW)
      const found = command([])
      expect(find(found, 'owner')).to.include({ status: 'fail' })
      expect(find(found, 'owner').seen).to.match(/^root \(0\), while the project belongs to www-data \(33\)/)
      expect(readdirSync(root)).to.deep.equal(['package.json'])
    })

    it('who could write a file, by owner, group and mode', () => {
      const file = join(root, 'package.json')
      const stats = (mode: number) =>
        Object.assign(lstatSync(file), { mode: 0o100000 | mode, uid: 1234, gid: 5678 })
      const user = { uid: 4321, gid: 5678, name: 'somebody-else' }
      expect(couldWrite(stats(0o600), { ...user, uid: 1234 })).to.equal(true)
      expect(couldWrite(stats(0o600), user)).to.equal(false)
      expect(couldWrite(stats(0o660), user)).to.equal(true)
      expect(couldWrite(stats(0o666), { ...user, gid: 1 })).to.equal(true)
      expect(couldWrite(stats(0o600), { ...user, uid: 0 })).to.equal(true)
    })

    it('that a link stands in the place of the store, and touches nothing', async () => {
      mkdirSync(join(root, 'data'))
      writeFileSync(join(root, 'diary'), 'mine')
      symlinkSync(join(root, 'diary'), store())
      const found = await doctor({ root })
      expect(find(found, 'rights').seen).to.match(
        /sse_payloads.sqlite \(owner .*\): a link or no regular file$/,
      )
      expect(readFileSync(join(root, 'diary'), 'utf8')).to.equal('mine')
    })

    it('that a folder is sticky, or shared without setgid', async () => {
      await doctor({ root })
      chmodSync(join(root, 'data'), 0o770)
      expect(find(await doctor({ root }), 'rights').remedy).to.equal(`chmod g+s ${join(root, 'data')}`)
      chmodSync(join(root, 'data'), 0o1777)
      expect(find(await doctor({ root }), 'rights').seen).to.include('is sticky')
    })

    it('that a store below a document root lacks the file that denies it', async () => {
      const site = join(root, 'public_html')
      mkdirSync(site)
      await doctor({ root: site })
      expect(find(await doctor({ root: site }), 'guards').status).to.equal('pass')
      rmSync(join(site, 'data/.htaccess'))
      const { status, seen } = find(await doctor({ root: site }), 'guards')
      expect({ status, seen }).to.deep.equal({
        status: 'warn',
        seen: `${join(site, 'data')}: most likely served, and without an .htaccess that denies it`,
      })
    })

    it('that the file at the place of the store is not one of ours, and leaves it', async () => {
      mkdirSync(join(root, 'data'))
      writeFileSync(store(), 'a diary, not a database\n'.repeat(100))
      const found = await doctor({ root })
      expect(find(found, 'round trip').status).to.equal('fail')
      expect(find(found, 'round trip').details.code).to.equal('STORE_FOREIGN')
      expect(find(found, 'another process').status).to.equal('skip')
    })

    it('which file system they are on, and that FUSE is one of the slow kind', function () {
      expect(kindOf('/proc/self/x')).to.equal('proc')
      const [behind, disk] = [join(root, 'behind'), join(root, 'disk')]
      mkdirSync(behind)
      mkdirSync(disk)
      try {
        execFileSync('bindfs', [behind, disk], { stdio: 'pipe' })
      } catch {
        skip(this, 'no FUSE here: apt-get install bindfs, and run as root')
      }
      try {
        const found = command(['--root', disk])
        expect(find(found, 'file system').seen).to.match(/^the store is on fuse/)
        expect(find(found, 'round trip')).to.include({ status: 'warn' })
        expect(find(found, 'round trip').details.reports).to.include('STORE_NETWORK')
        expect(find(found, 'another process').details).to.include({ mode: 'poll' })
      } finally {
        execFileSync('umount', [disk])
      }
    })

    it('how much of a quota is left, by the words of the quota command', () => {
      expect(parseQuota('Disk quotas for user alice (uid 1000):')).to.deep.equal([])
      expect(
        parseQuota('     Filesystem  blocks   quota   limit   grace   files   quota   limit   grace'),
      ).to.deep.equal([])
      expect(
        parseQuota('      /dev/sda1   9000*   8000   10000       0   120       0     500       0'),
      ).to.deep.equal([
        { what: 'KiB', used: 9000, limit: 10_000 },
        { what: 'files', used: 120, limit: 500 },
      ])
      expect(
        parseQuota('      /dev/sda1   9000   8000   0       0   120       0     0       0'),
      ).to.deep.equal([{ what: 'KiB', used: 9000, limit: 8000 }])
    })
  })

  it('says that inotify is spent, and that signals arrive by polling', function () {
    const prefix = withoutInotify()
    if (!prefix) skip(this, 'unshare cannot make a user namespace here')
    const found = command([], prefix)
    expect(find(found, 'watching')).to.include({ status: 'warn' })
    expect(find(found, 'watching').seen).to.match(/^no event came: EMFILE/)
    expect(find(found, 'another process').seen).to.match(/by polling$/)
    expect(find(found, 'round trip').details.reports).to.include('WATCH_FAILED')
  })

  describe('on the command line', () => {
    it('prints a line for each check, with the remedy below where there is one, and exits with 0', async () => {
      const { code, stdout, stderr } = await runCli(root, ['doctor'])
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' })
      expect(stdout).to.match(/^machine\n {2}✔ node +Node \d+\.\d+\.\d+, Node-API \d+\n/)
      expect(stdout).to.match(/\n\ndelivery\n {2}✔ round trip +stored in \S+ ms, read after \S+ ms\n/)
      expect(stdout).to.match(/\n\nno check failed: \d+ well, \d+ with a price, \d+ not known\n$/)
    })

    it('exits with 1 where a check failed, with the remedy on a line of its own', async () => {
      mkdirSync(join(root, 'data'))
      writeFileSync(store(), 'a diary, not a database\n'.repeat(100))
      const { code, stdout } = await runCli(root, ['doctor'])
      expect(code).to.equal(1)
      expect(stdout).to.match(/\n {2}✖ round trip +STORE_FOREIGN: [^\n]+\n {22}→ point FILE_SIGNAL_DATABASE/)
    })

    const usage: [args: string[], what: RegExp][] = [
      [['doctor', 'orders.sse'], /OPTION_INVALID: url "orders.sse" is no address; give the whole address/],
      [['doctor', '--publish'], /OPTION_INVALID: publish, idle and local: false need an address/],
      [['doctor', 'http://127.0.0.1/', '--idle', 'long'], /OPTION_INVALID: idle is "long"/],
      [
        ['doctor', 'http://127.0.0.1/', '--header', 'Cookie'],
        /OPTION_INVALID: --header number 1, of 6 characters, is no header/,
      ],
      [['doctor', 'http://127.0.0.1/', '--publish', 'a\nb'], /KEY_INVALID/],
    ]
    for (const [args, what] of usage) {
      it(`exits with 2 and one line for: file-signal ${args.join(' ').replace('\n', '\\n')}`, async () => {
        const { code, stdout, stderr } = await runCli(root, args)
        expect({ code, stdout }).to.deep.equal({ code: 2, stdout: '' })
        expect(stderr)
          .to.match(what)
          .and.match(/^[^\n]+\n$/)
      })
    }

    it('takes the address also behind --publish', async () => {
      const { code, stdout } = await runCli(root, [
        'doctor',
        '--json',
        '--publish',
        'http://nothing.invalid/x.sse',
      ])
      expect(code).to.equal(1)
      expect(find(JSON.parse(stdout), 'name').status).to.equal('fail')
    })
  })

  /** The same as another user. */
  function as(uid: number, main: string): Diagnosis {
    const { stdout, stderr } = spawnSync(process.execPath, [main, '--root', root, 'doctor', '--json'], {
      encoding: 'utf8',
      uid,
      gid: uid,
    })
    if (!stdout.startsWith('{')) throw new Error(stderr)
    return JSON.parse(stdout)
  }
})

function find({ checks }: Diagnosis, name: string): Check {
  const found = checks.find((check) => check.name === name)
  if (!found) throw new Error(`no check "${name}" among: ${checks.map((check) => check.name).join(', ')}`)
  return found
}

/** The package as npm installs it, beside a better-sqlite3 of the code given. Returns its command. */
function install(root: string, driver: string): string {
  const modules = join(root, 'node_modules')
  const own = join(modules, 'file-signal')
  cpSync(join(here, 'dist'), join(own, 'dist'), { recursive: true })
  cpSync(join(here, 'package.json'), join(own, 'package.json'))
  const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(here, 'node_modules', name), join(modules, name))
  }
  const folder = join(modules, 'better-sqlite3')
  mkdirSync(join(folder, 'build/Release'), { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    '{"name":"better-sqlite3","version":"12.11.1","main":"index.js"}',
  )
  writeFileSync(join(folder, 'index.js'), driver)
  writeFileSync(join(folder, 'build/Release/better_sqlite3.node'), 'no more than this')
  return join(own, 'dist/cli/main.js')
}
