import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect } from 'chai'
import { renderBlock } from '../dist/cli/setup/block.js'
import { runCli } from './setup/cli.js'
import { needProgram } from './setup/program.js'
import { createProject, makeReadOnly, timedTreeOf, treeOf } from './setup/project.js'
import { noSecondUser } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const STARTER = fileURLToPath(new URL('../examples/passenger/app.cjs', import.meta.url))
const PANEL = `# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION BEGIN
PassengerAppRoot "/home/u/shop"
PassengerNodejs "/home/u/nodevenv/shop/22/bin/node"
# DO NOT REMOVE. CLOUDLINUX PASSENGER CONFIGURATION END
`

const LIBRARY = pathToFileURL(fileURLToPath(new URL('../dist/index.js', import.meta.url))).href

/** Root of a program that reads `.env` as the start file is told to, and is started somewhere else. */
function rootIn(project: string): string {
  const script = join(project, 'started.mjs')
  writeFileSync(
    script,
    `process.loadEnvFile(new URL('.env', import.meta.url)); const { locate } = await import('${LIBRARY}'); console.log(locate().root.path)`,
  )
  const env = { PATH: process.env.PATH }
  return execFileSync(process.execPath, [script], { cwd: '/', env, encoding: 'utf8' }).trim()
}

describe('file-signal init', () => {
  const read = (root: string, path: string) => readFileSync(join(root, path), 'utf8')
  const init = (root: string, ...args: string[]) => runCli(root, ['init', '--yes', ...args])

  it('makes guarded folders, settings, the browser file and a manifest, and says what it does', async () => {
    const root = createProject()
    const { code, stdout, stderr } = await init(root)
    expect([code, stderr]).to.deep.equal([0, ''])
    expect(stdout)
      .to.match(/^create +tmp\/sse_signals\/ /m)
      .and.to.match(/^create +public\/js\/sse-client\.js /m)
    for (const folder of ['data', 'tmp/sse_signals']) {
      expect(read(root, `${folder}/.htaccess`)).to.include('Require all denied')
      expect(read(root, `${folder}/.gitignore`)).to.equal('*\n')
      expect(treeOf(root)[folder]).to.equal('700 /')
    }
    expect(read(root, 'public/js/sse-client.js')).to.include('new EventSource')
    expect(treeOf(root)['public/js/sse-client.js']).to.match(/^644 /)
    expect(existsSync(join(root, '.htaccess'))).to.equal(false)
    const manifest = JSON.parse(read(root, '.file-signal.json'))
    expect(
      manifest.entries.find(({ path }: { path: string }) => path === 'public/js/sse-client.js').sha256,
    ).to.match(/^[0-9a-f]{64}$/)
  })

  it('writes settings that process.loadEnvFile() reads, also for a path with blanks and quotes', async () => {
    const root = join(dirname(createProject()), "o'neil & söhne #1")
    renameSync(join(dirname(root), 'app'), root)
    await init(root, '--database', 'var/own.sqlite')
    const script = `process.loadEnvFile(); console.log(JSON.stringify(Object.entries(process.env).filter(([name]) => name.startsWith('FILE_SIGNAL_'))))`
    const printed = execFileSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' })
    expect(Object.fromEntries(JSON.parse(printed))).to.deep.equal({
      FILE_SIGNAL_ROOT: '.',
      FILE_SIGNAL_DIR: 'tmp/sse_signals',
      FILE_SIGNAL_DATABASE: 'var/own.sqlite',
    })
    expect(treeOf(root)['.env']).to.match(/^600 /)
  })

  it('writes settings that the start file of the Passenger example reads, whatever the working directory', async () => {
    const root = createProject({ 'server.js': 'console.log(process.env.FILE_SIGNAL_DATABASE)' })
    cpSync(STARTER, join(root, 'app.cjs'))
    const run = () => execFileSync(process.execPath, [join(root, 'app.cjs')], { cwd: '/', encoding: 'utf8' })
    expect(run()).to.equal('undefined\n')
    await init(root, '--database', 'var/own.sqlite')
    expect(run()).to.equal('var/own.sqlite\n')
  })

  it('leaves out of .env what the file sets by itself', async () => {
    const root = createProject({
      '.env': 'PORT=1\nexport FILE_SIGNAL_ROOT=/srv/shop\nFILE_SIGNAL_DATABASE = x.sqlite\n',
    })
    await init(root)
    expect(read(root, '.env').match(/^(export )?FILE_SIGNAL_\w+/gm)).to.deep.equal([
      'FILE_SIGNAL_DIR',
      'export FILE_SIGNAL_ROOT',
      'FILE_SIGNAL_DATABASE',
    ])
  })

  describe('in a .env that begins with a BOM', () => {
    const BOM = '\ufeff'
    const loaded = (root: string): Record<string, string> => {
      const script = 'process.loadEnvFile(); console.log(JSON.stringify(process.env))'
      const options = { cwd: root, env: { PATH: process.env.PATH }, encoding: 'utf8' } as const
      return JSON.parse(execFileSync(process.execPath, ['-e', script], options))
    }
    const sourced = (root: string): string => {
      const script = '. ./.env; printf "%s\n" "$FILE_SIGNAL_ROOT|$FILE_SIGNAL_DATABASE|$A|$B"'
      const options = { cwd: root, env: { PATH: process.env.PATH }, encoding: 'utf8' } as const
      // The shell has never read the first line, and says so: that is as before.
      return spawnSync('sh', ['-c', script], options).stdout
    }

    const texts = [
      `${BOM}A=1\nB=2\n`,
      `${BOM}# of the shop = here\n\nA=1\nB=2\n`,
      `${BOM}# of the shop\nA="1"\nB=2`,
      `${BOM}A=1\n# say 'no'\nB=2\n`,
    ]
    for (const text of texts) {
      it(`puts its block where Node and shells read it, and leaves the rest as it reads: ${JSON.stringify(text)}`, async () => {
        const root = createProject({ '.env': text })
        const [before, shellBefore] = [loaded(root), sourced(root)]
        expect((await init(root)).code).to.equal(0)
        expect(loaded(root)).to.deep.equal({
          ...before,
          FILE_SIGNAL_ROOT: '.',
          FILE_SIGNAL_DIR: 'tmp/sse_signals',
          FILE_SIGNAL_DATABASE: 'data/sse_payloads.sqlite',
        })
        expect(sourced(root)).to.equal(shellBefore.replace('|', '.|data/sse_payloads.sqlite'))
        expect((await init(root)).stdout).to.include('nothing was changed')
        await runCli(root, ['uninstall', '--yes'])
        expect(read(root, '.env')).to.equal(text)
      })
    }

    for (const text of [BOM, `${BOM}# a note\n`, `${BOM}A=1`, `${BOM}A="one\ntwo"\n`]) {
      it(`says that it cannot be used, and changes nothing: ${JSON.stringify(text)}`, async () => {
        const root = createProject({ '.env': text })
        const before = treeOf(root)
        const { code, stderr } = await init(root)
        expect(code).to.equal(1)
        expect(stderr).to.match(/^SETUP_FAILED: \.env begins with a BOM.*without a BOM/)
        expect(treeOf(root)).to.deep.equal(before)
      })
    }
  })

  const servers: [server: string, file: string | null, htaccess: boolean][] = [
    ['nginx', 'nginx/file-signal.conf', false],
    ['apache', 'apache/file-signal.conf', true],
    ['litespeed', null, true],
    ['passenger', 'nginx/file-signal-passenger.conf', true],
  ]
  for (const [server, file, htaccess] of servers) {
    it(`gives ${server} what it needs, and says what is left to do`, async () => {
      const root = createProject()
      const { code, stdout } = await init(root, '--server', server)
      expect(code).to.equal(0)
      expect(existsSync(join(root, '.htaccess'))).to.equal(htaccess)
      if (htaccess) expect(read(root, '.htaccess')).to.include('SetEnvIf')
      if (file) expect(read(root, file)).to.match(/\.sse/)
      if (file) expect(stdout).to.include(join(root, file))
      expect(stdout).to.match(
        /\n {2}1\. .+\n {2}2\. .*restart\.txt.*\n {2}3\. .*file-signal doctor https:.+\n$/,
      )
    })
  }

  it('puts the port of the app into the server file, and remembers it', async () => {
    const root = createProject()
    await init(root, '--server', 'nginx', '--port', '4001')
    expect(read(root, 'nginx/file-signal.conf')).to.include('127.0.0.1:4001').and.not.to.include(':3000')
    expect((await init(root)).stdout).to.include('nothing was changed')
  })

  it('passes streams on to the port from .htaccess, where Apache has no more than that', async () => {
    const root = createProject()
    await init(root, '--server', 'apache', '--port', '4001')
    expect(read(root, '.htaccess')).to.match(/RewriteRule .*127\.0\.0\.1:4001/)
  })

  it('adds a second server to the first', async () => {
    const root = createProject()
    await init(root, '--server', 'nginx')
    await init(root, '--server', 'litespeed')
    expect(existsSync(join(root, '.htaccess'))).to.equal(true)
    expect(JSON.parse(read(root, '.file-signal.json')).servers).to.deep.equal(['nginx', 'litespeed'])
  })

  describe('without --server', () => {
    it('goes by the lines of a panel, and stays out of them', async () => {
      const root = createProject({ '.htaccess': PANEL })
      const { stdout } = await init(root)
      expect(stdout).to.match(/^server +passenger +\(.htaccess has Passenger lines\)$/m)
      expect(read(root, '.htaccess'))
        .to.match(/# END file-signal\n# DO NOT REMOVE/)
        .and.to.include(PANEL)
    })

    it('warns of a block that somebody has moved between the lines of a panel, and still knows it', async () => {
      const root = createProject({ '.htaccess': PANEL })
      await init(root)
      const [block = ''] =
        /^# BEGIN file-signal[\s\S]*# END file-signal\n/.exec(read(root, '.htaccess')) ?? []
      const lines = PANEL.split('\n')
      writeFileSync(join(root, '.htaccess'), `${lines[0]}\n${block}${lines.slice(1).join('\n')}`)
      const { code, stdout } = await init(root)
      expect(code).to.equal(0)
      expect(stdout)
        .to.match(
          /^kept +\.htaccess +its block lies between the markers of another program in lines 1 and \d+, which may delete it: move it to the top/m,
        )
        .and.to.include('nothing was changed')
      await runCli(root, ['uninstall', '--yes'])
      expect(read(root, '.htaccess')).to.equal(PANEL)
    })

    it('knows LiteSpeed by its settings', async () => {
      const root = createProject({ '.htaccess': `${PANEL}SetEnv LSNODE_CONSOLE_LOG console.log\n` })
      expect((await init(root)).stdout).to.match(/^server +litespeed /m)
    })

    it('says that it does not know, and leaves a .htaccess alone that proves nothing', async () => {
      const root = createProject({ '.htaccess': 'Options -Indexes\n' })
      const { code, stdout } = await init(root)
      expect(code).to.equal(0)
      expect(stdout).to.match(/^server +not known: .*--server nginx, apache, litespeed or passenger$/m)
      expect(read(root, '.htaccess')).to.equal('Options -Indexes\n')
    })
  })

  describe('the web folder', () => {
    it('is a public_html beside the app whose .htaccess names it', async () => {
      const root = createProject()
      const web = join(dirname(root), 'public_html')
      mkdirSync(web)
      writeFileSync(join(web, '.htaccess'), PANEL.replace('/home/u/shop', root))
      await init(root)
      expect(read(web, '.htaccess')).to.include('SetEnvIf')
      expect(existsSync(join(web, 'js/sse-client.js'))).to.equal(true)
      expect(existsSync(join(root, 'public'))).to.equal(false)
      expect((await init(root)).stdout).to.include('nothing was changed')
    })

    it('is not a public_html of another app', async () => {
      const root = createProject()
      const web = join(dirname(root), 'public_html')
      mkdirSync(web)
      writeFileSync(join(web, '.htaccess'), PANEL)
      await init(root, '--server', 'passenger')
      expect(read(web, '.htaccess')).to.equal(PANEL)
      expect(existsSync(join(root, '.htaccess'))).to.equal(true)
    })

    it('is what --web says, and that is remembered', async () => {
      const root = createProject({ 'site/index.html': '' })
      await init(root, '--server', 'apache', '--web', 'site')
      expect(existsSync(join(root, 'site/.htaccess'))).to.equal(true)
      expect(existsSync(join(root, 'site/js/sse-client.js'))).to.equal(true)
      expect((await init(root)).stdout).to.include('nothing was changed')
      const { code, stderr } = await init(root, '--web', 'nowhere')
      expect(code).to.equal(2)
      expect(stderr).to.match(/^OPTION_INVALID: --web is "nowhere"/)
    })

    it('has its .htaccess in public, where there is one already and none in the root', async () => {
      const root = createProject({ 'public/.htaccess': 'Options -Indexes\n' })
      await init(root, '--server', 'apache')
      expect(read(root, 'public/.htaccess')).to.include('SetEnvIf')
      expect(existsSync(join(root, '.htaccess'))).to.equal(false)
    })
  })

  it('changes nothing at its second run, not even the time of a file', async () => {
    const root = createProject({ '.htaccess': PANEL, '.env': 'PORT=1' })
    await init(root)
    const before = timedTreeOf(root)
    for (const args of [['init'], ['init', '--yes'], ['init', '--server', 'passenger', '--json']]) {
      const { code, stdout } = await runCli(root, args)
      expect(code).to.equal(0)
      expect(stdout)
        .to.match(/^(unchanged|\{)/m)
        .and.not.to.match(/create|Next/)
    }
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('remembers --directory and --database', async () => {
    const root = createProject()
    await init(root, '--directory', 'wake', '--database', 'var/own.sqlite')
    const before = timedTreeOf(root)
    expect((await init(root)).code).to.equal(0)
    expect(timedTreeOf(root)).to.deep.equal(before)
  })

  it('keeps Windows line ends, a BOM, a missing final newline, and the rights of a file', async () => {
    const htaccess = `\ufeff${PANEL.replaceAll('\n', '\r\n')}Options -Indexes`
    const root = createProject({ '.htaccess': htaccess })
    chmodSync(join(root, '.htaccess'), 0o640)
    await init(root)
    const after = read(root, '.htaccess')
    expect(after.replaceAll('\r\n', '')).not.to.include('\n')
    expect(after.startsWith('\ufeff# BEGIN file-signal')).to.equal(true)
    expect(after.endsWith(htaccess.slice(1))).to.equal(true)
    expect(treeOf(root)['.htaccess']).to.match(/^640 /)
  })

  it('keeps the owner of a file', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can give files away')
    const root = createProject({ '.htaccess': PANEL })
    chownSync(join(root, '.htaccess'), 65534, 65534)
    await init(root)
    const owner = execFileSync('stat', ['-c', '%u:%g', join(root, '.htaccess')], { encoding: 'utf8' })
    expect(owner).to.equal('65534:65534\n')
    expect(read(root, '.htaccess')).to.include('# BEGIN file-signal')
  })

  it('tells root of a project that belongs to somebody else', async function () {
    if (process.getuid?.() !== 0) skip(this, 'only root can give files away')
    const root = createProject()
    expect((await init(root)).stdout).not.to.match(/^note/m)
    chownSync(root, 65534, 65534)
    const { stdout } = await init(root)
    expect(stdout).to.match(
      /^note +you are root, and the project belongs to user 65534, who gets what is new$/m,
    )
  })

  describe('an earlier run', () => {
    const older = renderBlock('<IfModule old.c>\n</IfModule>\n', '0.0.1')

    it('of another version: its block gives way to the new one, in its place', async () => {
      const root = createProject({
        '.htaccess': `Options -Indexes\r\n${older.replaceAll('\n', '\r\n')}${PANEL}`,
      })
      const { stdout } = await init(root)
      expect(stdout).to.match(/^change +\.htaccess +an older block of ours/m)
      const after = read(root, '.htaccess')
      expect(after)
        .to.match(/^Options -Indexes\r\n# BEGIN file-signal (?!0\.0\.1)/)
        .and.to.include('SetEnvIf')
      expect(after.match(/BEGIN file-signal/g)).to.have.lengthOf(1)
      expect(after).not.to.include('old.c')
    })

    it('whose block was edited: it stays, with what to do', async () => {
      const text = `x\n${older.replace('old.c', 'mine.c')}`
      const root = createProject({ '.htaccess': text })
      const { code, stdout } = await init(root, '--server', 'apache')
      expect(code).to.equal(0)
      expect(stdout).to.match(
        /^kept +\.htaccess +you have edited the block of file-signal in lines 2 to 5: .*delete them/m,
      )
      expect(read(root, '.htaccess')).to.equal(text)
    })

    it('whose markers are damaged: all stays, with what to do', async () => {
      const text = older.replace('# END file-signal\n', '')
      const root = createProject({ '.htaccess': text })
      expect((await init(root, '--server', 'apache')).stdout).to.match(
        /^kept +\.htaccess .*not one BEGIN and one END/m,
      )
      expect(read(root, '.htaccess')).to.equal(text)
    })

    it('that left an older file: it is replaced, and one that was edited is not', async () => {
      const root = createProject()
      await init(root, '--server', 'nginx')
      const manifest = JSON.parse(read(root, '.file-signal.json'))
      // As an earlier version would have left them: other contents, with their checksums.
      for (const path of ['public/js/sse-client.js', 'nginx/file-signal.conf']) {
        writeFileSync(join(root, path), 'older')
        const entry = manifest.entries.find((one: { path: string }) => one.path === path)
        entry.sha256 = '2f7ecfea6c59ba8dbef70eb78d58f9ed41dadd5bb6a2e8b5d1d3ca9c3d8a9f0e'
        if (path.startsWith('public')) entry.sha256 = sha256('older')
      }
      writeFileSync(join(root, '.file-signal.json'), JSON.stringify(manifest))
      const { stdout } = await init(root)
      expect(stdout).to.match(/^change +public\/js\/sse-client\.js .*older one of ours/m)
      expect(stdout).to.match(
        /^kept +nginx\/file-signal\.conf +you have edited it: .*move it away and run init again/m,
      )
      expect(read(root, 'public/js/sse-client.js')).to.include('EventSource')
      expect(read(root, 'nginx/file-signal.conf')).to.equal('older')
      expect(read(root, '.file-signal.json')).not.to.include('replaces')
    })

    it('in another place: after a move, and in a copy, the settings mean what stands there', async () => {
      const root = createProject()
      await init(root, '--database', 'var/own.sqlite')
      const copy = join(dirname(root), 'copy')
      cpSync(root, copy, { recursive: true })
      const moved = join(dirname(root), 'moved')
      renameSync(root, moved)
      for (const place of [moved, copy]) {
        expect(rootIn(place), place).to.equal(place)
        expect((await init(place)).stdout, place).to.include('nothing was changed')
      }
    })

    it('that has written the root in full: a copy gets a relative one', async () => {
      const root = createProject()
      const body = `# Older.\nFILE_SIGNAL_ROOT=/srv/production\nFILE_SIGNAL_DIR=tmp/sse_signals\n`
      writeFileSync(join(root, '.env'), renderBlock(body, '0.0.9'))
      await init(root)
      expect(read(root, '.env'))
        .to.match(/^FILE_SIGNAL_ROOT=\.$/m)
        .and.not.to.include('production')
    })

    it('in a folder that no rule finds: the root stands there in full', async () => {
      const root = createProject({ 'package.json': '{ "private": true }' })
      await init(root)
      expect(read(root, '.env'))
        .to.include(`FILE_SIGNAL_ROOT=${root}\n`)
        .and.to.include('init again after a move')
    })
  })

  it('leaves a file alone that was there before', async () => {
    const root = createProject({ 'public/js/sse-client.js': 'mine' })
    const { stdout } = await init(root)
    expect(stdout).to.match(/^kept +public\/js\/sse-client\.js +it was there before/m)
    expect(read(root, 'public/js/sse-client.js')).to.equal('mine')
  })

  it('warns of a data folder that was there before, without anything that denies it', async () => {
    const root = createProject({ 'data/own.txt': '' })
    expect((await init(root)).stdout).to.match(/^kept +data +was there before and has no \.htaccess/m)
    expect(existsSync(join(root, 'data/.htaccess'))).to.equal(false)
  })

  it('with --dry-run shows a diff that patch understands, no passwords, and changes nothing', async function () {
    const patch = needProgram(this, 'patch', 'patch')
    const files = { '.htaccess': PANEL.replaceAll('\n', '\r\n'), '.env': 'PASSWORD=hunter2\nX=1' }
    const root = createProject(files)
    const before = timedTreeOf(root)
    const { code, stdout } = await runCli(root, ['init', '--dry-run'])
    expect(code).to.equal(0)
    expect(timedTreeOf(root)).to.deep.equal(before)
    expect(stdout)
      .to.match(/^--- a\/\.htaccess$/m)
      .and.to.match(/^\+\+\+ b\/\.htaccess$/m)
    expect(stdout).to.match(/^--- \/dev\/null\n\+\+\+ b\/public\/js\/sse-client\.js$/m)
    expect(stdout).not.to.include('hunter2')

    const patched = join(dirname(root), 'patched')
    cpSync(root, patched, { recursive: true })
    const done = spawnSync(patch, ['-p1', '--binary'], { cwd: patched, input: stdout, encoding: 'utf8' })
    expect(done.status, done.stdout).to.equal(0)
    await init(root)
    const texts = (folder: string) =>
      Object.entries(treeOf(folder)).map(([path, text]) => [path, text.slice(4)])
    expect(texts(patched)).to.deep.equal(texts(root))
  })

  it('refuses without a terminal and without --yes, with exit code 2', async () => {
    for (const htaccess of ['', PANEL]) {
      const root = createProject({ '.htaccess': htaccess })
      const before = timedTreeOf(root)
      const { code, stderr } = await runCli(root, ['init'])
      expect(code).to.equal(2)
      expect(stderr).to.match(
        /^OPTION_INVALID: .*nothing was changed; add --yes, or look first with --dry-run\.\n$/,
      )
      expect(timedTreeOf(root)).to.deep.equal(before)
    }
  })

  it('speaks JSON, a line for each step', async () => {
    const root = createProject()
    const { stdout } = await init(root, '--json', '--server', 'litespeed')
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines[0]).to.deep.equal({ root, rule: 'option root' })
    expect(lines[1].servers).to.deep.equal(['litespeed'])
    expect(lines).to.deep.include({ action: 'create', path: 'data/', about: 'a folder for the app alone' })
  })

  describe('on what it cannot change', () => {
    type Spoil = (root: string) => void
    const cases: [what: string, code: string, says: RegExp, spoil: Spoil][] = [
      [
        'a link for .htaccess',
        'PATH_UNSAFE',
        /\.htaccess" is a symbolic link, not a file/,
        linkTo('.htaccess'),
      ],
      [
        'a broken link for .env',
        'PATH_UNSAFE',
        /\.env" is a symbolic link/,
        (root) => symlinkSync('nowhere', join(root, '.env')),
      ],
      ['a link for public', 'PATH_UNSAFE', /public" is a symbolic link, not a folder/, linkTo('public')],
      ['a link for the data folder', 'PATH_UNSAFE', /data" is a symbolic link, not a folder/, linkTo('data')],
      [
        'a link for the manifest',
        'PATH_UNSAFE',
        /\.file-signal\.json" is a symbolic link/,
        linkTo('.file-signal.json'),
      ],
      [
        'a folder for .htaccess',
        'PATH_UNSAFE',
        /\.htaccess" is a folder, not a file/,
        (root) => mkdirSync(join(root, '.htaccess')),
      ],
      [
        'a file for public',
        'PATH_UNSAFE',
        /public" is something else, not a folder/,
        (root) => writeFileSync(join(root, 'public'), ''),
      ],
      [
        'a broken link for tmp',
        'SETUP_FAILED',
        /tmp" is a link to no folder; repair or remove the link/,
        (root) => symlinkSync('nowhere', join(root, 'tmp')),
      ],
      [
        'a .env in UTF-16',
        'SETUP_FAILED',
        /\.env" is not plain text .*; save it as UTF-8/,
        (root) => writeFileSync(join(root, '.env'), Buffer.from('PORT=1\r\n', 'utf16le')),
      ],
      [
        'a huge .htaccess',
        'SETUP_FAILED',
        /has 5242880 bytes/,
        (root) => writeFileSync(join(root, '.htaccess'), Buffer.alloc(5 * 1024 * 1024, '#')),
      ],
      [
        'a damaged manifest',
        'SETUP_FAILED',
        /\.file-signal\.json" is not what init writes; .*delete it/,
        (root) => writeFileSync(join(root, '.file-signal.json'), '{"format":1,"entries":[{"kind":"file"}]}'),
      ],
      [
        'a manifest of the future',
        'SETUP_FAILED',
        /has format 2, .*; update file-signal/,
        (root) => writeFileSync(join(root, '.file-signal.json'), '{"format":2}'),
      ],
    ]
    for (const [what, code, says, spoil] of cases) {
      it(`changes nothing and says why: ${what}`, async () => {
        const root = createProject()
        spoil(root)
        const before = timedTreeOf(dirname(root))
        const { code: exit, stderr } = await init(root, '--server', 'litespeed')
        expect(exit).to.equal(1)
        expect(stderr)
          .to.match(new RegExp(`^${code}: [^\\n]+\\n$`))
          .and.to.match(says)
        expect(timedTreeOf(dirname(root))).to.deep.equal(before)
      })
    }

    it('lets tmp be a link, as deploy tools make it', async () => {
      const root = createProject()
      mkdirSync(join(dirname(root), 'shared'))
      symlinkSync('../shared', join(root, 'tmp'))
      expect((await init(root)).code).to.equal(0)
      expect(existsSync(join(dirname(root), 'shared/sse_signals/.htaccess'))).to.equal(true)
    })

    const asNobody = (root: string, ...args: string[]) =>
      spawnSync(process.execPath, [MAIN, '--root', root, 'init', ...args], {
        uid: 65534,
        gid: 65534,
        encoding: 'utf8',
      })

    it('changes nothing in a folder that may not be written to', function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      for (const readOnly of ['.', 'public']) {
        const root = createProject({ 'public/index.html': '' })
        chmodSync(dirname(root), 0o755)
        for (const path of ['.', 'public']) chownSync(join(root, path), 65534, 65534)
        const restore = makeReadOnly(join(root, readOnly))
        const before = timedTreeOf(root)
        for (const args of [['--yes'], ['--dry-run']]) {
          const { status, stderr } = asNobody(root, ...args)
          expect(status).to.equal(1)
          expect(stderr).to.match(/^SETUP_FAILED: cannot write to the folder "[^"]+" \(EACCES\); [^\n]+\n$/)
        }
        expect(timedTreeOf(root)).to.deep.equal(before)
        restore()
      }
    })

    it('changes no file of another user, which would change hands', function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      const root = createProject({ '.htaccess': PANEL })
      chmodSync(dirname(root), 0o755)
      chownSync(root, 65534, 65534)
      const before = timedTreeOf(root)
      const { status, stderr } = asNobody(root, '--yes')
      expect(status).to.equal(1)
      expect(stderr).to.match(
        /^SETUP_FAILED: ".*\.htaccess" belongs to user 0, and you are user 65534; run this as user 0/,
      )
      expect(timedTreeOf(root)).to.deep.equal(before)
    })
  })

  it('knows no root in an empty folder, and creates nothing', () => {
    const folder = freshFolder()
    const bin = join(folder, 'node_modules/.bin/file-signal')
    mkdirSync(dirname(bin), { recursive: true })
    symlinkSync(MAIN, bin)
    const { status, stderr } = spawnSync(process.execPath, [bin, 'init', '--yes'], {
      cwd: folder,
      encoding: 'utf8',
    })
    expect(status).to.equal(1)
    expect(stderr).to.match(/^ROOT_UNKNOWN: .*; set FILE_SIGNAL_ROOT to the folder of your package\.json/)
    expect(Object.keys(treeOf(folder)).filter((path) => !path.startsWith('node_modules'))).to.deep.equal([
      '.',
    ])
  })

  it('has exit code 2 for an unknown server and a bad port', async () => {
    const root = createProject()
    for (const args of [
      ['--server', 'iis'],
      ['--port', '70000'],
      ['--port', 'http'],
    ]) {
      const { code, stderr } = await init(root, ...args)
      expect(code).to.equal(2)
      expect(stderr).to.match(
        /^OPTION_INVALID: option '--(server <name>|port <number>)' .*(Allowed choices|whole number)/,
      )
    }
    expect(Object.keys(treeOf(root))).to.deep.equal(['.', 'package.json'])
  })
})

function linkTo(name: string): (root: string) => void {
  return (root) => {
    const target = join(dirname(root), `other-${name}`)
    if (name.startsWith('.')) writeFileSync(target, '')
    else mkdirSync(target)
    symlinkSync(target, join(root, name))
  }
}

function sha256(text: string): string {
  return execFileSync('sha256sum', { input: text, encoding: 'utf8' }).slice(0, 64)
}
