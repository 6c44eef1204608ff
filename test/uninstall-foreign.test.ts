import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { sha256 } from '../dist/cli/setup/manifest.js'
import { type CliSurroundings, runCli } from './setup/cli.js'
import { createProject, timedTreeOf, treeOf } from './setup/project.js'
import { openRawDatabase } from './support/raw-database.js'

const STORE = 'sse_payloads.sqlite'

describe('file-signal uninstall --data, told of a store', () => {
  const uninstall = (root: string, args: readonly string[] = [], surroundings?: CliSurroundings) =>
    runCli(root, [...args, 'uninstall', '--data', '--yes'], '', surroundings)

  async function expectRefusal(
    root: string,
    args: readonly string[],
    says: RegExp,
    env: Record<string, string> = {},
  ): Promise<void> {
    const before = timedTreeOf(dirname(root))
    const { code, stderr } = await uninstall(root, args, { env })
    expect(code).to.equal(1)
    expect(stderr).to.match(says)
    expect(timedTreeOf(dirname(root))).to.deep.equal(before)
  }

  async function initialised(): Promise<string> {
    const root = createProject()
    await runCli(root, ['init', '--yes'])
    return root
  }

  const tell = (root: string, change: object): void => {
    const path = join(root, '.file-signal.json')
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...change }))
  }

  const makeDatabase = (path: string): void => {
    mkdirSync(dirname(path), { recursive: true })
    const db = openRawDatabase(path)
    db.exec('CREATE TABLE customers (name TEXT)')
    db.close()
  }

  describe('that is another program’s', () => {
    const FOREIGN =
      /^STORE_FOREIGN: ".*customers\.sqlite" is another program’s database, and is not deleted; name the store of file-signal with --database, or leave --data out\.\n$/

    it('by an option, the environment or the manifest: changes nothing, and says so', async () => {
      for (const path of ['shop/customers.sqlite', 'data/customers.sqlite']) {
        const root = await initialised()
        makeDatabase(join(root, path))
        await expectRefusal(root, ['--database', path], FOREIGN)
        await expectRefusal(root, [], FOREIGN, { FILE_SIGNAL_DATABASE: path })
        tell(root, { database: path })
        await expectRefusal(root, [], FOREIGN)
      }
    })

    it('and has not been written back from its -wal', async () => {
      const root = await initialised()
      makeDatabase(join(root, 'shop/customers.sqlite'))
      const db = openRawDatabase(join(root, 'shop/customers.sqlite'))
      db.exec(`PRAGMA journal_mode = wal; PRAGMA application_id = 7; INSERT INTO customers VALUES ('Ann')`)
      try {
        await expectRefusal(root, ['--database', 'shop/customers.sqlite'], FOREIGN)
      } finally {
        db.close()
      }
    })

    it('is no SQLite database, is a link, or is empty where init has made no folder', async () => {
      const root = await initialised()
      mkdirSync(join(root, 'shop'))
      writeFileSync(join(root, 'shop/notes.txt'), 'a'.repeat(200))
      writeFileSync(join(root, 'shop/short'), 'SQLite format 3\0')
      writeFileSync(join(root, 'shop/empty'), '')
      symlinkSync('notes.txt', join(root, 'shop/link'))
      for (const name of ['notes.txt', 'short', 'empty']) {
        await expectRefusal(root, ['--database', `shop/${name}`], /^STORE_FOREIGN: .* is no SQLite database/)
      }
      await expectRefusal(
        root,
        ['--database', 'shop/link'],
        /^PATH_UNSAFE: .* is a symbolic link, not a file/,
      )
    })
  })

  describe('that is ours', () => {
    it('deletes one whose app was killed before it said so in the file itself, and tells to stop the app', async () => {
      const root = await initialised()
      const other = createProject()
      const events = createFileSignal({ root: other })
      await events.signal('orders', 1)
      for (const name of [STORE, `${STORE}-wal`]) {
        copyFileSync(join(other, 'data', name), join(root, 'data', name))
      }
      await events.close()
      expect(readFileSync(join(root, 'data', STORE)).readUInt32BE(68)).to.equal(0)
      const { code, stdout } = await uninstall(root)
      expect(code).to.equal(0)
      expect(stdout).to.match(
        /^remove +data\/sse_payloads\.sqlite +of the store; it is open, or .*stop the app first$/m,
      )
      expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
    })

    it('deletes an empty one, and what lies beside one that is gone, in a folder of its making alone', async () => {
      for (const name of [STORE, `${STORE}-wal`]) {
        const root = await initialised()
        writeFileSync(join(root, 'data', name), '')
        expect((await uninstall(root)).code).to.equal(0)
        expect(existsSync(join(root, 'data'))).to.equal(false)
      }
      const root = createProject({ [`data/${STORE}-wal`]: 'whose?' })
      await runCli(root, ['init', '--yes'])
      expect((await uninstall(root)).code).to.equal(0)
      expect(existsSync(join(root, `data/${STORE}-wal`))).to.equal(true)
    })
  })
})

describe('file-signal uninstall, told of places outside the root by the manifest alone', () => {
  const OUTSIDE =
    /^SETUP_FAILED: ".*" lies outside the root, and \.file-signal\.json alone says that it is ours; name its place again if that is true, by --web, --directory or --database; otherwise delete its lines there\.\n$/
  const victim = 'of somebody else'
  const file = (path: string) => ({ kind: 'file', path, sha256: sha256(victim) })

  const cases: [what: string, change: (root: string) => object, args?: string[]][] = [
    ['a file above', () => ({ entries: [file('../victim/f')] })],
    ['a file by its whole path', (root) => ({ entries: [file(join(root, '../victim/f'))] })],
    ['a file behind a link', () => ({ entries: [file('link/f')] })],
    ['a file on a way through the root', () => ({ entries: [file('data/../../victim/f')] })],
    ['a folder', () => ({ entries: [{ kind: 'folder', path: '../victim/empty' }] })],
    ['the root itself', () => ({ entries: [{ kind: 'folder', path: '.' }] })],
    ['a block', () => ({ entries: [{ kind: 'block', path: '../victim/f', sha256: '', created: true }] })],
    ['a web folder', () => ({ web: '../victim', entries: [file('../victim/js/sse-client.js')] })],
    ['a store', () => ({ database: '../victim/store.sqlite' }), ['--data']],
    ['a store behind a link', () => ({ database: 'link/store.sqlite' }), ['--data']],
  ]
  for (const [what, change, args = []] of cases) {
    it(`changes nothing, and says what to do: ${what}`, async () => {
      const root = createProject({ '../victim/f': victim, '../victim/js/sse-client.js': victim })
      mkdirSync(join(root, '../victim/empty'))
      symlinkSync('../victim', join(root, 'link'))
      const events = createFileSignal({ root, database: '../victim/store.sqlite' })
      await events.signal('orders', 1)
      await events.close()
      await runCli(root, ['init', '--yes'])
      const manifest = join(root, '.file-signal.json')
      const told = { ...JSON.parse(readFileSync(manifest, 'utf8')), ...change(root) }
      writeFileSync(manifest, JSON.stringify(told))
      const before = timedTreeOf(dirname(root))
      for (const more of [[], ['--dry-run']]) {
        const { code, stderr } = await runCli(root, ['uninstall', '--yes', ...args, ...more])
        expect(code).to.equal(1)
        expect(stderr).to.match(OUTSIDE)
      }
      expect(timedTreeOf(dirname(root))).to.deep.equal(before)
    })
  }

  it('does not take a name for leave to delete all that is near', async () => {
    const root = createProject({ '../victim/f': victim })
    await runCli(root, ['init', '--yes'])
    const manifest = join(root, '.file-signal.json')
    const told = { ...JSON.parse(readFileSync(manifest, 'utf8')), entries: [file('../victim/f')] }
    writeFileSync(manifest, JSON.stringify(told))
    const args = ['--database', '../victim/own.sqlite', 'uninstall', '--yes', '--web', '../victim']
    expect((await runCli(root, args)).stderr).to.match(OUTSIDE)
    expect(existsSync(join(root, '../victim/f'))).to.equal(true)
  })

  it('does what a panel’s lines or the environment name, and what lies behind a linked tmp', async () => {
    const root = createProject({ '../shared/x': '' })
    symlinkSync('../shared', join(root, 'tmp'))
    const htaccess = `PassengerAppRoot "${root}"\n`
    mkdirSync(join(root, '../public_html'))
    writeFileSync(join(root, '../public_html/.htaccess'), htaccess)
    const before = treeOf(dirname(root))
    const env = { FILE_SIGNAL_DATABASE: join(root, '../deep/store/own.sqlite') }
    expect((await runCli(root, ['init', '--yes'], '', { env })).code).to.equal(0)
    expect(existsSync(join(root, '../deep/store/.htaccess'))).to.equal(true)
    const { code, stderr } = await runCli(root, ['uninstall', '--yes'], '', { env })
    expect([code, stderr]).to.deep.equal([0, ''])
    expect(treeOf(dirname(root))).to.deep.equal(before)
  })
})
