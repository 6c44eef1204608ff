import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** What tests install beside this repository's own packages: it stays between runs, and `npm ci` leaves it alone. */
const CACHE = join(tmpdir(), `file-signal-cache-${process.getuid?.() ?? 'user'}`)

/** The folder in which `spec` (`NAME@VERSION`) was installed, or null. */
export function findInstalled(spec: string, purpose = ''): string | null {
  if (!existsSync(CACHE)) return null
  const { uid } = lstatSync(CACHE)
  // Anybody may make a folder in /tmp, and what lies in this one is run.
  if (uid !== (process.getuid?.() ?? uid)) throw new Error(`${CACHE} belongs to another user: remove it`)
  const folder = join(CACHE, nameOf(spec, purpose))
  return existsSync(folder) ? folder : null
}

export interface Installation {
  /** Runs npm and install scripts with this Node; its headers are used for compiling. */
  node?: string
  /** Runs the package's install script, and compiles rather than downloads. Takes a minute. */
  build?: boolean
  /** Tells installations of the same package apart. */
  purpose?: string
}

/** Installs `spec` into a folder of its own, once; returns the folder. Throws with npm's own words. */
export function install(spec: string, { node, build = false, purpose = '' }: Installation = {}): string {
  const found = findInstalled(spec, purpose)
  if (found) return found
  mkdirSync(CACHE, { recursive: true, mode: 0o755 })
  const folder = join(CACHE, nameOf(spec, purpose))
  const draft = `${folder}.draft-${process.pid}`
  mkdirSync(draft)
  const [name = ''] = spec.split(/(?<=.)@/)
  writeFileSync(
    join(draft, 'package.json'),
    JSON.stringify({ name: 'cache', private: true, allowScripts: { [name]: true } }),
  )
  const args = ['install', '--no-package-lock', '--no-audit', '--no-fund', spec]
  if (!build) args.push('--ignore-scripts')
  // Compiling takes all of a core, which others may need.
  const { status, stdout, stderr, error } = spawnSync('nice', ['npm', ...args], {
    cwd: draft,
    encoding: 'utf8',
    env: { ...process.env, ...(node ? withNode(node) : {}) },
  })
  if (status !== 0) {
    rmSync(draft, { recursive: true, force: true })
    throw new Error(`npm ${args.join(' ')} failed: ${error?.message ?? ''}${stdout}${stderr}`)
  }
  try {
    renameSync(draft, folder)
  } catch (failure) {
    rmSync(draft, { recursive: true, force: true })
    // Another run has installed the same meanwhile.
    if (!existsSync(folder)) throw failure
  }
  return folder
}

/** An environment in which npm, scripts and compilers find this Node; what is compiled is not looked for elsewhere. */
export function withNode(node: string): NodeJS.ProcessEnv {
  return {
    PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
    npm_config_nodedir: dirname(dirname(node)),
    npm_config_build_from_source: 'true',
  }
}

function nameOf(spec: string, purpose: string): string {
  return `${spec}${purpose && `-${purpose}`}`.replaceAll('/', '+')
}
