import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { ERRORS, type ErrorCode, FileSignalError } from '../dist/errors.js'
import { lookAt, makeFile, makeFolder, type Rights } from '../dist/folders.js'
import { type ChildOptions, noSecondUser, run } from './support/child.js'
import { freshFolder } from './support/folder.js'
import { skip } from './support/skip.js'

const PRIVATE: Rights = { mode: 0o600, group: null }

describe('folders', () => {
  let place: string
  beforeEach(() => {
    place = freshFolder()
    chmodSync(place, 0o755)
  })

  describe('makeFolder', () => {
    it('makes what is missing, with 0700 throughout', () => {
      makeFolder(join(place, 'a/b/c'), PRIVATE)
      for (const name of ['a', 'a/b', 'a/b/c']) expect(modeOf(join(place, name))).to.equal('700')
    })

    it('never makes the project folder, nor what is in one that is gone: ROOT_GONE', () => {
      const root = join(place, 'releases/7')
      for (const folder of [root, join(root, 'data'), join(root, 'tmp/sse_signals')]) {
        expect(thrown(() => makeFolder(folder, { ...PRIVATE, root }))).to.include({
          code: 'ROOT_GONE',
          remedy: ERRORS.ROOT_GONE.remedy,
        })
      }
      expect(existsSync(join(place, 'releases'))).to.equal(false)
      mkdirSync(root, { recursive: true })
      makeFolder(join(root, 'tmp/sse_signals'), { ...PRIVATE, root })
      expect(existsSync(join(root, 'tmp/sse_signals/.htaccess'))).to.equal(true)
    })

    it('gives x where the mode has r, whatever the umask', async () => {
      const made = await make('folder', join(place, 'a/b'), { mode: 0o664, group: null }, { umask: '077' })
      expect(made).to.deep.equal({ result: null })
      expect(modeOf(join(place, 'a'))).to.equal('775')
      expect(modeOf(join(place, 'a/b'))).to.equal('775')
    })

    it('denies web access and ignores itself in git, in the folder only', () => {
      makeFolder(join(place, 'a/b'), PRIVATE)
      const htaccess = readFileSync(join(place, 'a/b/.htaccess'), 'utf8')
      expect(htaccess).to.include('Require all denied').and.to.include('Deny from all')
      expect(readFileSync(join(place, 'a/b/.gitignore'), 'utf8')).to.equal('*\n')
      expect(modeOf(join(place, 'a/b/.htaccess'))).to.equal('600')
      expect(existsSync(join(place, 'a/.htaccess'))).to.equal(false)
    })

    it('changes nothing of a folder that exists', () => {
      mkdirSync(join(place, 'a'))
      chmodSync(join(place, 'a'), 0o751)
      makeFolder(join(place, 'a'), { mode: 0o660, group: null })
      expect(modeOf(join(place, 'a'))).to.equal('751')
      expect(existsSync(join(place, 'a/.htaccess'))).to.equal(false)
    })

    it('keeps the setgid bit that the folder above hands down', () => {
      chmodSync(place, 0o2755)
      makeFolder(join(place, 'a'), { mode: 0o660, group: null })
      expect(modeOf(join(place, 'a'))).to.equal('2770')
    })

    it('refuses a link in place of the folder, with a slash behind it too', () => {
      mkdirSync(join(place, 'real'))
      symlinkSync('real', join(place, 'link'))
      for (const path of [join(place, 'link'), `${join(place, 'link')}/`]) {
        const error = thrown(() => makeFolder(path, PRIVATE))
        expect(error).to.include({ code: 'PATH_UNSAFE', remedy: ERRORS.PATH_UNSAFE.remedy })
        expect(error.message).to.include(join(place, 'link')).and.to.include('a symbolic link')
      }
    })

    it('refuses a dangling link and a file in place of the folder', () => {
      symlinkSync('nowhere', join(place, 'link'))
      writeFileSync(join(place, 'file'), '')
      expect(thrown(() => makeFolder(join(place, 'link'), PRIVATE)).code).to.equal('PATH_UNSAFE')
      expect(thrown(() => makeFolder(join(place, 'file'), PRIVATE)).code).to.equal('PATH_UNSAFE')
    })

    it('follows links above the folder', () => {
      mkdirSync(join(place, 'shared'))
      symlinkSync('shared', join(place, 'tmp'))
      makeFolder(join(place, 'tmp/signals'), PRIVATE)
      expect(lstatSync(join(place, 'shared/signals')).isDirectory()).to.equal(true)
    })

    it('says that something above is no folder, or a broken link', () => {
      writeFileSync(join(place, 'file'), '')
      symlinkSync('nowhere', join(place, 'link'))
      for (const name of ['file/a', 'file/a/b', 'link/a']) {
        const error = thrown(() => makeFolder(join(place, name), PRIVATE))
        expect(error.code, name).to.equal('STORE_UNWRITABLE')
        expect(error.remedy, name).to.include('broken link')
      }
    })

    it('makes one folder from several processes at once', async () => {
      for (let round = 0; round < 5; round += 1) {
        const path = join(place, `round${round}/${'a/'.repeat(50)}b`)
        const user = { env: { START: String(Date.now() + 200) } }
        const made = await Promise.all([
          make('folder', path, PRIVATE, user),
          make('folder', path, PRIVATE, user),
        ])
        expect(made).to.deep.equal([{ result: null }, { result: null }])
        expect(modeOf(path)).to.equal('700')
        expect(existsSync(join(path, '.htaccess'))).to.equal(true)
      }
    })
  })

  describe('makeFile', () => {
    it('creates an empty file with exactly the mode, whatever the umask', async () => {
      const path = join(place, 'file')
      expect(await make('file', path, { mode: 0o664, group: null }, { umask: '077' })).to.deep.equal({
        result: true,
      })
      expect(modeOf(path)).to.equal('664')
      expect(readFileSync(path, 'utf8')).to.equal('')
    })

    it('leaves a file that exists as it is', () => {
      const path = join(place, 'file')
      writeFileSync(path, 'content')
      chmodSync(path, 0o640)
      expect(makeFile(path, PRIVATE)).to.equal(false)
      expect(modeOf(path)).to.equal('640')
      expect(readFileSync(path, 'utf8')).to.equal('content')
    })

    it('refuses links, dangling or not, folders and FIFOs', () => {
      writeFileSync(join(place, 'target'), 'untouched')
      symlinkSync('target', join(place, 'link'))
      symlinkSync('nowhere', join(place, 'dangling'))
      mkdirSync(join(place, 'folder'))
      execFileSync('mkfifo', [join(place, 'fifo')])
      for (const name of ['link', 'dangling', 'folder', 'fifo']) {
        const error = thrown(() => makeFile(join(place, name), PRIVATE))
        expect(error.code, name).to.equal('PATH_UNSAFE')
        expect(error.remedy, name).to.equal(ERRORS.PATH_UNSAFE.remedy)
      }
      expect(existsSync(join(place, 'nowhere'))).to.equal(false)
      expect(readFileSync(join(place, 'target'), 'utf8')).to.equal('untouched')
    })
  })

  describe('lookAt', () => {
    it('tells what is missing from what is there', () => {
      writeFileSync(join(place, 'file'), 'four')
      expect(lookAt(join(place, 'file'))?.size).to.equal(4)
      expect(lookAt(join(place, 'missing'))).to.equal(null)
      expect(lookAt(join(place, 'missing/file'))).to.equal(null)
    })

    it('refuses a link and whatever is no regular file', () => {
      symlinkSync('nowhere', join(place, 'link'))
      expect(thrown(() => lookAt(join(place, 'link'))).code).to.equal('PATH_UNSAFE')
      expect(thrown(() => lookAt(place)).code).to.equal('PATH_UNSAFE')
    })

    it('says STORE_UNWRITABLE where a folder above is a file', () => {
      writeFileSync(join(place, 'file'), '')
      expect(thrown(() => lookAt(join(place, 'file/x'))).code).to.equal('STORE_UNWRITABLE')
    })
  })

  describe('groups', () => {
    it('an unknown group is OPTION_INVALID, and nothing is made', () => {
      const rights = { mode: 0o660, group: 'no-such-group' }
      for (const make of [makeFolder, makeFile]) {
        const error = thrown(() => make(join(place, 'a'), rights))
        expect(error.code).to.equal('OPTION_INVALID')
        expect(error.remedy).to.include('its number')
      }
      expect(existsSync(join(place, 'a'))).to.equal(false)
    })

    it('gives folders setgid and the group, files the group, by name and by number', function () {
      if (process.getuid?.() !== 0) skip(this, 'only root may give files to any group')
      for (const group of ['daemon', 1, '1']) {
        const path = join(place, `by-${typeof group}-${group}`)
        makeFolder(path, { mode: 0o660, group })
        makeFile(join(path, 'file'), { mode: 0o660, group })
        expect(modeOf(path)).to.equal('2770')
        expect(modeOf(join(path, 'file'))).to.equal('660')
        expect(lstatSync(path).gid).to.equal(1)
        expect(lstatSync(join(path, 'file')).gid).to.equal(1)
      }
    })

    it('what another user makes belongs to the shared group, when that user is a member', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      chownSync(place, 0, 54300)
      chmodSync(place, 0o775)
      const path = join(place, 'shared')
      const rights = { mode: 0o660, group: 54300 }
      expect(await make('folder', path, rights, { uid: 54301, gid: 54300 })).to.deep.equal({ result: null })
      const made = await make('file', join(path, 'file'), rights, { uid: 54302, gid: 54300 })
      expect(made).to.deep.equal({ result: true })
      expect(lstatSync(join(path, 'file')).uid).to.equal(54302)
      expect(modeOf(join(path, 'file'))).to.equal('660')
    })

    it('a user outside the group gets STORE_UNWRITABLE, and leaves nothing with the wrong group', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      chmodSync(place, 0o777)
      for (const what of ['folder', 'file'] as const) {
        const path = join(place, what)
        const made = await make(what, path, { mode: 0o660, group: 54300 }, { uid: 54301, gid: 54301 })
        expect(made).to.have.property('code', 'STORE_UNWRITABLE')
        expect(made.remedy).to.include('run as a member of that group')
        expect(existsSync(path)).to.equal(false)
      }
    })
  })

  describe('refusals of the system', () => {
    it('a folder that this user may not write is STORE_UNWRITABLE, with its path', async function () {
      const why = noSecondUser()
      if (why) skip(this, why)
      for (const what of ['folder', 'file'] as const) {
        const path = join(place, 'mine')
        const made = await make(what, path, PRIVATE, { uid: 54301, gid: 54301 })
        expect(made).to.include({ code: 'STORE_UNWRITABLE', remedy: ERRORS.STORE_UNWRITABLE.remedy })
        expect(made.message).to.include(path)
      }
    })

    it('a full disk is STORE_FULL, with its path', function () {
      const full = join(place, 'full')
      mkdirSync(full)
      const why = mountTiny(full)
      if (why) skip(this, why)
      try {
        const error = thrown(() => makeFolder(join(full, 'a/b/c/d/e/f'), PRIVATE))
        expect(error).to.include({ code: 'STORE_FULL', remedy: ERRORS.STORE_FULL.remedy })
        expect(error.message).to.include(join(full, 'a/b/c/d/e/f'))
        rmSync(join(full, 'a'), { recursive: true })
        for (let i = 0; i < 3; i += 1) makeFile(join(full, `file${i}`), PRIVATE)
        expect(thrown(() => makeFile(join(full, 'last'), PRIVATE)).code).to.equal('STORE_FULL')
      } finally {
        execFileSync('umount', [full])
      }
    })
  })
})

interface Made {
  result?: boolean | null
  code?: ErrorCode
  remedy?: string
  message?: string
}

/** Makes it in a process of its own, whose umask and user are its own affair. */
async function make(
  what: 'folder' | 'file',
  path: string,
  rights: Rights,
  { umask = '', ...user }: ChildOptions & { umask?: string } = {},
): Promise<Made> {
  const ended = await run('paths-make', [what, path, JSON.stringify(rights), umask], { cwd: '/', ...user })
  expect(ended.stderr).to.equal('')
  return JSON.parse(ended.stdout) as Made
}

/** A file system with room for four inodes, or why there is none. */
function mountTiny(path: string): string | null {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,nr_inodes=4', 'tmpfs', path], { stdio: 'pipe' })
    return null
  } catch {
    return 'this user may not mount a tmpfs'
  }
}

function modeOf(path: string): string {
  return (lstatSync(path).mode & 0o7777).toString(8)
}

function thrown(work: () => unknown): FileSignalError {
  try {
    work()
  } catch (error) {
    if (error instanceof FileSignalError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
