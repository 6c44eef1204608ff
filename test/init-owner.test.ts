import { chmodSync, chownSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { runCli } from './setup/cli.js'
import { createProject, timedTreeOf, treeOf } from './setup/project.js'
import { noSecondUser, run } from './support/child.js'
import { skip } from './support/skip.js'

const USER = 65534
const GROUP = 65533

describe('file-signal init, run by root in the project of another user', () => {
  let root: string
  beforeEach(function () {
    const why = noSecondUser()
    if (why) skip(this, why)
    root = createProject({ '.env': 'PORT=1\n', 'public/index.html': '' })
    chmodSync(dirname(root), 0o755)
    chownSync(root, USER, GROUP)
  })

  const ownersOf = (folder: string): Record<string, string> => {
    const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
    return Object.fromEntries(
      names.map((name) => {
        const { uid, gid } = lstatSync(join(folder, name))
        return [name, `${uid}:${gid}`]
      }),
    )
  }

  it('gives that user all that is new, and leaves existing files to their owners', async () => {
    const before = ownersOf(root)
    expect(
      (await runCli(root, ['init', '--yes', '--server', 'apache', '--database', '../store/own.sqlite'])).code,
    ).to.equal(0)
    const after = ownersOf(root)
    const made = Object.keys(after).filter((path) => !(path in before))
    expect(made).to.include.members([
      '.htaccess',
      '.file-signal.json',
      'tmp',
      'tmp/sse_signals/.htaccess',
      'public/js',
    ])
    for (const [path, owner] of Object.entries(after)) {
      expect([path, owner]).to.deep.equal([path, before[path] ?? `${USER}:${GROUP}`])
    }
    expect(ownersOf(join(root, '../store'))).to.deep.equal({
      '.gitignore': `${USER}:${GROUP}`,
      '.htaccess': `${USER}:${GROUP}`,
    })
  })

  it('leaves the app a store that it can write to, and settings that it can read', async () => {
    const { code } = await runCli(createOwn(), ['init', '--yes'])
    expect(code).to.equal(0)
    const app = await run('publish', [JSON.stringify({ key: 'orders', count: 1, options: { root } })], {
      uid: USER,
      gid: GROUP,
      cwd: root,
    })
    expect([app.code, app.stdout, app.stderr]).to.deep.equal([0, 'ready\npublished 1\n', ''])
    expect(treeOf(root)['.env']).to.match(/^600 /)
    expect(lstatSync(join(root, '.env')).uid).to.equal(USER)
  })

  it('gives away nothing outside that the manifest alone names', async () => {
    expect((await runCli(root, ['init', '--yes'])).code).to.equal(0)
    const manifest = join(root, '.file-signal.json')
    const told = { ...JSON.parse(readFileSync(manifest, 'utf8')), database: '../system/app.d/own.sqlite' }
    writeFileSync(manifest, JSON.stringify(told))
    const before = timedTreeOf(dirname(root))
    const refused = await runCli(root, ['init', '--yes'])
    expect(refused.code).to.equal(1)
    expect(refused.stderr).to.match(
      /^SETUP_FAILED: ".*system" lies outside the root, and \.file-signal\.json alone/,
    )
    expect(timedTreeOf(dirname(root))).to.deep.equal(before)
    const named = await runCli(root, ['init', '--yes', '--database', '../system/app.d/own.sqlite'])
    expect([named.code, named.stderr]).to.deep.equal([0, ''])
  })

  it('keeps the group that a folder hands down', async () => {
    mkdirSync(join(root, 'tmp'))
    chownSync(join(root, 'tmp'), USER, 33)
    chmodSync(join(root, 'tmp'), 0o2770)
    await runCli(root, ['init', '--yes'])
    const { uid, gid, mode } = lstatSync(join(root, 'tmp/sse_signals'))
    expect([uid, gid, (mode & 0o7777).toString(8)]).to.deep.equal([USER, 33, '2700'])
  })

  function createOwn(): string {
    root = createProject()
    chmodSync(dirname(root), 0o755)
    chownSync(root, USER, GROUP)
    return root
  }
})
