import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { runCli } from './setup/cli.js'
import { createProject, timedTreeOf, treeOf } from './setup/project.js'

describe('file-signal uninstall', () => {
  const read = (root: string, path: string) => readFileSync(join(root, path), 'utf8')
  const init = (root: string, ...args: string[]) =>
    runCli(root, ['init', '--yes', '--server', 'apache', ...args])
  const uninstall = (root: string, ...args: string[]) => runCli(root, ['uninstall', '--yes', ...args])

  const projects: [what: string, files: Record<string, string | Buffer>][] = [
    ['an empty project', {}],
    [
      'Windows line ends, a BOM, no final newline',
      { '.htaccess': '\ufeffOptions -Indexes\r\nX', '.env': 'A=1\r\nB=2' },
    ],
    ['empty files, and mixed line ends', { '.htaccess': '', '.env': 'A=1\r\nB=2\nC=3\n\n\n' }],
    ['bytes that are no UTF-8', { '.env': Buffer.from('NAME=caf\xe9\n', 'latin1') }],
    [
      'folders and files of its own',
      { 'public/js/app.js': '', 'data/own.txt': '', 'tmp/restart.txt': '', 'nginx/x': '' },
    ],
  ]
  for (const [what, files] of projects) {
    it(`restores every byte and every right: ${what}`, async () => {
      const root = createProject(files)
      for (const [path, mode] of [
        ['.htaccess', 0o604],
        ['.env', 0o440],
      ] as const) {
        if (existsSync(join(root, path))) chmodSync(join(root, path), mode)
      }
      const before = treeOf(dirname(root))
      await init(root)
      await runCli(root, ['init', '--yes', '--server', 'nginx'])
      expect(treeOf(dirname(root))).not.to.deep.equal(before)
      const { code, stdout, stderr } = await uninstall(root)
      expect([code, stderr]).to.deep.equal([0, ''])
      expect(stdout)
        .to.match(/^remove +\.file-signal\.json /m)
        .and.not.to.match(/^kept/m)
      expect(treeOf(dirname(root))).to.deep.equal(before)
    })
  }

  it('takes back what lies outside the root, where that is named again', async () => {
    const root = createProject({ '../public_html/.htaccess': 'Options -Indexes' })
    const before = treeOf(dirname(root))
    await init(root, '--web', '../public_html', '--database', '../store/own.sqlite')
    expect(existsSync(join(root, '../store'))).to.equal(true)
    expect(read(root, '../public_html/.htaccess')).to.include('BEGIN file-signal')
    await uninstall(root, '--web', '../public_html', '--database', '../store/own.sqlite')
    expect(treeOf(dirname(root))).to.deep.equal(before)
  })

  it('takes back folders that lie in one another, and one folder for both', async () => {
    for (const places of [
      ['--directory', 'var/wake', '--database', 'var/own.sqlite'],
      ['--directory', 'data'],
    ]) {
      const root = createProject()
      const before = treeOf(root)
      const { code, stderr } = await init(root, ...places)
      expect([code, stderr]).to.deep.equal([0, ''])
      expect((await init(root)).stdout).to.include('nothing was changed')
      await uninstall(root)
      expect(treeOf(root)).to.deep.equal(before)
    }
  })

  it('keeps what was written around a block, also in a file that init has made', async () => {
    const root = createProject({ '.env': 'A=1\n' })
    await init(root)
    for (const path of ['.env', '.htaccess']) writeFileSync(join(root, path), `top\n${read(root, path)}end`)
    await uninstall(root)
    expect(read(root, '.env')).to.equal('top\nA=1\nend')
    expect(read(root, '.htaccess')).to.equal('top\nend')
  })

  it('leaves an edited block and an edited file, says so, and forgets them', async () => {
    const root = createProject({ '.env': 'A=1\n' })
    await init(root)
    const htaccess = read(root, '.htaccess').replace('no-gzip=1', 'no-gzip=2')
    writeFileSync(join(root, '.htaccess'), htaccess)
    writeFileSync(join(root, 'public/js/sse-client.js'), 'mine')
    const { code, stdout } = await uninstall(root)
    expect(code).to.equal(0)
    expect(stdout).to.match(
      /^kept +\.htaccess +you have edited the block of file-signal in lines 1 to \d+: they are yours now/m,
    )
    expect(stdout).to.match(/^kept +public\/js\/sse-client\.js +you have edited it/m)
    expect(stdout).to.match(/^kept +public\/js +holds sse-client\.js$/m)
    expect(stdout).to.match(/^remove +\.file-signal\.json +what was kept is yours now, the rest is gone$/m)
    expect(Object.keys(treeOf(root))).to.have.members([
      '.',
      '.env',
      '.htaccess',
      'package.json',
      'public',
      'public/js',
      'public/js/sse-client.js',
    ])
    expect(read(root, '.htaccess')).to.equal(htaccess)
    expect(read(root, '.env')).to.equal('A=1\n')
  })

  it('does without what is gone already', async () => {
    const root = createProject()
    const before = treeOf(root)
    await init(root)
    for (const path of ['public', 'data', '.env', '.htaccess']) rmSync(join(root, path), { recursive: true })
    expect((await uninstall(root)).code).to.equal(0)
    expect(treeOf(root)).to.deep.equal(before)
  })

  describe('with events in the store', () => {
    let root: string
    beforeEach(async () => {
      root = createProject()
      await init(root)
      const events = createFileSignal({ root })
      await events.signal('orders', 1)
      await events.close()
    })

    it('keeps the store, and what denies it to the web; the signal file goes', async () => {
      const { stdout } = await uninstall(root)
      expect(stdout).to.match(/^kept +data +holds the store; file-signal uninstall --data deletes it too$/m)
      expect(Object.keys(treeOf(root))).to.include.members([
        'data/.htaccess',
        'data/sse_payloads.sqlite',
        '.file-signal.json',
      ])
      expect(existsSync(join(root, 'tmp'))).to.equal(false)
      expect(existsSync(join(root, '.env'))).to.equal(false)
      const before = timedTreeOf(root)
      expect((await uninstall(root)).stdout).to.include('nothing was changed')
      expect(timedTreeOf(root)).to.deep.equal(before)
      const events = createFileSignal({ root })
      expect((await events.stats()).store.rows).to.equal(1)
      await events.close()
    })

    it('deletes it with --data, at once or afterwards, and what SQLite keeps beside it', async () => {
      for (const name of ['-wal', '-shm', '.damaged-2026'])
        writeFileSync(join(root, `data/sse_payloads.sqlite${name}`), '')
      await uninstall(root)
      await uninstall(root, '--data')
      expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
    })

    it('is set up again by init, and then goes as a whole', async () => {
      await uninstall(root)
      await init(root)
      expect(existsSync(join(root, '.env'))).to.equal(true)
      await uninstall(root, '--data')
      expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
    })

    it('keeps a copy beside the store that somebody made', async () => {
      writeFileSync(join(root, 'data/sse_payloads.sqlite.backup'), 'copy')
      const { stdout } = await uninstall(root, '--data')
      expect(stdout).to.match(/^kept +data +holds sse_payloads\.sqlite\.backup$/m)
      expect(Object.keys(treeOf(root))).to.include.members([
        'data/.htaccess',
        'data/sse_payloads.sqlite.backup',
      ])
      expect(existsSync(join(root, 'data/sse_payloads.sqlite'))).to.equal(false)
    })
  })

  it('does nothing where init never was', async () => {
    const root = createProject({ '.htaccess': 'X' })
    const before = timedTreeOf(root)
    const { code, stdout } = await uninstall(root)
    expect(code).to.equal(0)
    expect(stdout).to.include('there is no .file-signal.json').and.to.include('nothing was changed')
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('with --dry-run shows what would go, and changes nothing; without a terminal it wants --yes', async () => {
    const root = createProject({ '.htaccess': 'Options -Indexes\n' })
    await init(root)
    const before = timedTreeOf(root)
    const { code, stdout } = await runCli(root, ['uninstall', '--dry-run'])
    expect(code).to.equal(0)
    expect(stdout)
      .to.match(/^-# BEGIN file-signal/m)
      .and.to.match(/^\+\+\+ \/dev\/null$/m)
    const refused = await runCli(root, ['uninstall'])
    expect(refused.code).to.equal(2)
    expect(refused.stderr).to.match(/^OPTION_INVALID: .*nothing was changed; add --yes/)
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('changes nothing where a link stands in the place of a file', async () => {
    const root = createProject()
    await init(root)
    rmSync(join(root, '.htaccess'))
    mkdirSync(join(root, 'elsewhere'))
    symlinkSync('elsewhere', join(root, '.htaccess'))
    const before = timedTreeOf(root)
    const { code, stderr } = await uninstall(root)
    expect(code).to.equal(1)
    expect(stderr).to.match(/^PATH_UNSAFE: ".*\.htaccess" is a symbolic link/)
    expect(timedTreeOf(root)).to.deep.equal(before)
  })
})
