import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal } from 'file-signal'
import { chooseSqlite } from '../dist/payload/sqlite/driver-choice.js'
import { inspectSqlite, type SqliteFacts } from '../dist/payload/sqlite/driver-facts.js'
import { freshFolder } from './support/folder.js'

const here = dirname(dirname(fileURLToPath(import.meta.url)))

describe('the choice of a SQLite driver', () => {
  const NODES = {
    '20.20.2': { napi: 9, abi: 115, nodeSqlite: null },
    '22.12.0': { napi: 9, abi: 127, nodeSqlite: null },
    '22.13.1': { napi: 9, abi: 127, nodeSqlite: '3.47.2' },
    '22.22.3': { napi: 10, abi: 127, nodeSqlite: '3.51.3' },
    '24.21.0': { napi: 10, abi: 137, nodeSqlite: '3.53.4' },
  }

  /** Facts of a Node on a current Linux. */
  function facts(node: keyof typeof NODES, more: Partial<SqliteFacts> = {}): SqliteFacts {
    return { node, platform: 'linux-x64', glibc: '2.36', betterSqlite3: null, ...NODES[node], ...more }
  }

  function installed(version: string, binary: object | null): Pick<SqliteFacts, 'betterSqlite3'> {
    const whole = binary && { path: 'better_sqlite3.node', abi: null, glibc: '2.34', hooks: false, ...binary }
    return { betterSqlite3: { version, binary: whole } }
  }

  it('takes better-sqlite3 12 that was built for this Node, and 13 from Node-API 10 on', () => {
    for (const [node, { abi }] of Object.entries(NODES)) {
      const choice = chooseSqlite(facts(node as keyof typeof NODES, installed('12.11.1', { abi })))
      expect(choice).to.deep.equal({
        driver: 'better-sqlite3',
        version: '12.11.1',
        reason: null,
        remedy: null,
      })
    }
    const hooked = { node: '26.4.0', abi: 147, ...installed('12.11.1', { abi: 147, hooks: true }) }
    expect(chooseSqlite(facts('24.21.0', hooked)).driver).to.equal('better-sqlite3')
    for (const node of ['22.22.3', '24.21.0'] as const) {
      expect(chooseSqlite(facts(node, installed('13.2.0', {}))).driver).to.equal('better-sqlite3')
    }
  })

  const obstacles: [string, SqliteFacts, RegExp, RegExp][] = [
    [
      'a better-sqlite3 that would crash this Node',
      facts('22.13.1', installed('13.2.0', {})),
      /13\.2\.0 would crash Node 22\.13\.1/,
      /^run: npm install better-sqlite3@12$/,
    ],
    [
      'one that was built for another Node',
      facts('24.21.0', installed('12.11.1', { abi: 127 })),
      /ABI is 127, Node 24\.21\.0 has 137/,
      /npm rebuild better-sqlite3$/,
    ],
    [
      'one without its binary',
      facts('24.21.0', installed('12.11.1', null)),
      /without its binary/,
      /npm install better-sqlite3@13/,
    ],
    [
      'one without its binary on an old system',
      facts('22.22.3', { glibc: '2.28', ...installed('12.11.1', null) }),
      /without its binary/,
      /npm rebuild better-sqlite3 .*approve better-sqlite3/,
    ],
    [
      'one that brings no binary for this platform',
      facts('24.21.0', { platform: 'linux-ppc64', ...installed('13.2.0', null) }),
      /no binary for linux-ppc64/,
      /better-sqlite3@12/,
    ],
    [
      'one that aborts when objects are collected',
      facts('24.21.0', installed('12.11.1', { abi: 137, hooks: true })),
      /would abort Node 24\.21\.0/,
      /better-sqlite3@13$/,
    ],
    [
      'one that aborts when objects are collected, on an old system',
      facts('24.21.0', { glibc: '2.28', ...installed('12.11.1', { abi: 137, glibc: '2.28', hooks: true }) }),
      /would abort Node 24\.21\.0/,
      /Node 24\.18/,
    ],
    [
      'one that needs a newer glibc',
      facts('24.21.0', { glibc: '2.28', ...installed('13.2.0', {}) }),
      /needs glibc 2\.34, this system has 2\.28/,
      /--build-from-source/,
    ],
    [
      'one that needs a glibc where there is none',
      facts('24.21.0', { glibc: null, ...installed('12.11.1', { abi: 137 }) }),
      /needs glibc 2\.34, this system has none/,
      /--build-from-source/,
    ],
    [
      'one of the future, which might crash',
      facts('24.21.0', installed('14.0.0', {})),
      /newer than this version of file-signal knows/,
      /better-sqlite3@13/,
    ],
    ['none', facts('24.21.0'), /not installed/, /better-sqlite3@13/],
    [
      'one that a bundle does not find',
      facts('24.21.0', { elsewhere: '/app/node_modules/better-sqlite3/package.json' }),
      /is installed .*bundle/,
      /serverExternalPackages/,
    ],
    ['none on an old system', facts('24.21.0', { glibc: '2.28' }), /not installed/, /better-sqlite3@12/],
  ]
  for (const [what, given, reason, remedy] of obstacles) {
    it(`takes the SQLite inside Node beside ${what}, and says why`, () => {
      const choice = chooseSqlite(given)
      expect(choice).to.include({ driver: 'node:sqlite', version: given.node })
      expect(choice.reason).to.match(reason)
      expect(choice.remedy).to.match(remedy)
    })

    it(`takes none beside ${what} where Node has no SQLite, and says what helps`, () => {
      const choice = chooseSqlite({ ...given, nodeSqlite: null })
      expect(choice).to.include({ driver: null, version: null })
      expect(choice.reason)
        .to.match(reason)
        .and.match(/ started without its own SQLite$/)
      expect(choice.remedy).to.match(remedy)
    })
  }

  it('advises an update where Node is too old for both', () => {
    const choice = chooseSqlite(facts('22.12.0', installed('13.2.0', {})))
    expect(choice.driver).to.equal(null)
    expect(choice.reason).to.match(
      /13\.2\.0 would crash Node 22\.12\.0.* and Node 22\.12\.0 has no SQLite of its own$/,
    )
    expect(choice.remedy).to.equal(
      'run: npm install better-sqlite3@12, or update Node to 22.13 or later, which has SQLite built in',
    )
  })
})

describe('the SQLite driver in use', () => {
  it('is the one that was chosen without loading anything, and stats() tells it', async () => {
    const { driver, version, reason } = chooseSqlite(inspectSqlite())
    const events = createFileSignal({ root: freshFolder() })
    try {
      expect((await events.stats()).store.driver).to.deep.equal({ name: driver, version, reason })
    } finally {
      await events.close()
    }
  })

  it('is looked for within 50 ms, and nothing is loaded or left changed by that', () => {
    const report = process.report as unknown as { excludeNetwork: boolean }
    const before = report.excludeNetwork
    const begin = performance.now()
    const facts = inspectSqlite()
    expect(performance.now() - begin).to.be.below(50)
    expect(facts).to.include({ node: process.versions.node, platform: `${process.platform}-${process.arch}` })
    expect(report.excludeNetwork).to.equal(before)
  })

  describe('of an app that has installed file-signal', () => {
    let root: string

    /** The package as npm installs it, with such a better-sqlite3 beside it, or none. */
    function install(betterSqlite3?: Record<string, string>): string {
      root = freshFolder()
      const modules = join(root, 'node_modules')
      mkdirSync(join(modules, 'file-signal'), { recursive: true })
      cpSync(join(here, 'dist'), join(modules, 'file-signal/dist'), { recursive: true })
      cpSync(join(here, 'package.json'), join(modules, 'file-signal/package.json'))
      const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
      for (const name of Object.keys(dependencies)) {
        mkdirSync(dirname(join(modules, name)), { recursive: true })
        symlinkSync(join(here, 'node_modules', name), join(modules, name))
      }
      for (const [file, text] of Object.entries(betterSqlite3 ?? {})) {
        const path = join(modules, 'better-sqlite3', file)
        mkdirSync(dirname(path), { recursive: true })
        writeFileSync(path, text)
      }
      writeFileSync(join(root, 'package.json'), '{"name":"an-app","type":"module"}')
      writeFileSync(
        join(root, 'job.js'),
        `import { createFileSignal } from 'file-signal'
         const events = createFileSignal()
         try {
           await events.signal('a', 1)
           const { driver } = (await events.stats()).store
           console.log(driver.name + ': ' + driver.reason)
           await events.close()
         } catch (error) {
           console.log(error.message)
         }`,
      )
      return modules
    }

    function manifest(version: string): Record<string, string> {
      return {
        'package.json': `{"name":"better-sqlite3","version":"${version}","main":"index.js"}`,
        'index.js': `throw new Error('this file must not be loaded')`,
      }
    }

    /** What the job printed; on stderr it must print nothing, for cron sends that as mail. */
    function runJob(): string {
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, 'job.js')], {
        encoding: 'utf8',
      })
      expect({ status, stderr }).to.deep.equal({ status: 0, stderr: '' })
      return stdout
    }

    const missing = isBuiltin('node:sqlite')
      ? /^node:sqlite: better-sqlite3/
      : /^SQLITE_MISSING: better-sqlite3/

    it('is the one inside Node, or SQLITE_MISSING says what to install', () => {
      install()
      const out = runJob()
      expect(out).to.match(missing)
      expect(out).to.match(/is not installed/)
      if (!isBuiltin('node:sqlite')) {
        expect(out).to.match(/; run: npm install better-sqlite3@12, or update Node to 22\.13 or later/)
      }
    })

    it('is never a better-sqlite3 that would crash this Node', () => {
      const napi = Number(process.versions.napi)
      const [version, why] = napi < 10 ? ['13.2.0', 'would crash Node'] : ['14.0.0', 'is newer than']
      install({ ...manifest(version), 'build/Release/better_sqlite3.node': '' })
      expect(runJob()).to.match(missing).and.include(why)
    })

    it('is not a better-sqlite3 whose install script did not run', () => {
      install(manifest('12.11.1'))
      expect(runJob())
        .to.match(missing)
        .and.match(/12\.11\.1 was installed without its binary/)
    })

    it('is not a better-sqlite3 that was built for another Node', () => {
      const binary = 'build/Release/better_sqlite3.node'
      install({ ...manifest('12.11.1'), [binary]: '\0node_register_module_v72\0' })
      expect(runJob())
        .to.match(missing)
        .and.match(/its ABI is 72, Node .* has \d+/)
    })

    it('is not a better-sqlite3 that looks right and cannot be loaded', () => {
      const binary = 'build/Release/better_sqlite3.node'
      const index = `module.exports = class { constructor() { throw new Error('bad\\nELF') } }`
      install({ ...manifest('12.11.1'), 'index.js': index, [binary]: 'no more than this' })
      expect(runJob())
        .to.match(missing)
        .and.match(/cannot be loaded \(bad\)/)
    })

    it('can still be missing where memory is enough', () => {
      rmSync(join(install(), 'proper-lockfile'))
      writeFileSync(
        join(root, 'job.js'),
        `import { createFileSignal, memory } from 'file-signal'
         const events = createFileSignal({ payload: memory() })
         console.log((await events.signal('a', 1)).stored)\n`,
      )
      expect(runJob()).to.equal('true\n')
    })
  })
})
