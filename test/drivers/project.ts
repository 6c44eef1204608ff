import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshFolder } from '../support/folder.js'
import { withNode } from './cache.js'

const here = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The package as it would be published; returns the path of the file. */
export function pack(): string {
  const folder = freshFolder()
  const args = ['pack', '--ignore-scripts', '--pack-destination', folder]
  const { status, stderr } = spawnSync('npm', args, { cwd: here, encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return join(folder, readdirSync(folder)[0] as string)
}

export interface ProjectOptions {
  /** The Node that runs it; this one if left out. */
  node?: string
  /** The file npm-cli.js of an npm; that of this machine if left out. */
  npm?: string
  /** Whether install scripts may run. */
  scripts?: boolean
}

/** An empty project, into which packages are installed. */
export interface Project {
  readonly root: string
  install(...specs: string[]): SpawnSyncReturns<string>
  /** Runs a program that imports the package, and one that requires it; returns what each printed. */
  publish(): { stdout: string; stderr: string }[]
  /** The version of better-sqlite3 that npm has chosen. */
  betterSqlite3(): string
}

const REST = `
  const events = createFileSignal()
  events.signal('a', 1)
    .then(() => events.stats())
    .then(({ store }) => console.log(store.driver.name), (error) => console.log(error.message))
    .then(() => events.close())`
const APPS = Object.freeze({
  'app.mjs': `import { createFileSignal } from 'file-signal'${REST}`,
  'app.cjs': `const { createFileSignal } = require('file-signal')${REST}`,
})

export function createProject({ node, npm, scripts = false }: ProjectOptions = {}): Project {
  const root = freshFolder()
  const env = { ...process.env, ...(node ? withNode(node) : {}) }
  const binary = node ?? process.execPath
  writeFileSync(
    join(root, 'package.json'),
    '{"name":"an-app","private":true,"allowScripts":{"better-sqlite3":true}}',
  )
  for (const [name, text] of Object.entries(APPS)) writeFileSync(join(root, name), text)

  return {
    root,
    install: (...specs) => {
      const flags = ['--no-audit', '--no-fund', '--prefer-offline', ...(scripts ? [] : ['--ignore-scripts'])]
      const command = npm ? [binary, npm] : ['npm']
      return spawnSync('nice', [...command, 'install', ...flags, ...specs], {
        cwd: root,
        encoding: 'utf8',
        env,
      })
    },
    publish: () =>
      Object.keys(APPS).map((name) => {
        // Node 20 warns whoever requires an ES module.
        const { stdout, stderr } = spawnSync(binary, ['--disable-warning=ExperimentalWarning', name], {
          cwd: root,
          encoding: 'utf8',
        })
        return { stdout: stdout.trim(), stderr }
      }),
    betterSqlite3: () => {
      const manifest = readFileSync(join(root, 'node_modules/better-sqlite3/package.json'), 'utf8')
      return (JSON.parse(manifest) as { version: string }).version
    },
  }
}
