import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { findInstalled, install } from './cache.js'

/** The versions of Node that the drivers are tried on. 22.13 has its own SQLite, and an old Node-API. */
export const NODES = Object.freeze([
  '20.19.6',
  '20.20.2',
  '22.12.0',
  '22.13.1',
  '22.22.3',
  '24.21.0',
  '26.10.0',
])
/** The one that every run of the tests uses beside this machine's own. */
export const NODE_24 = '24.21.0'
/** Fetches that, and better-sqlite3 13. */
export const INSTALL = 'node build/drivers/install.js --now'

export const BETTER_SQLITE3_12 = '12.11.1'
export const BETTER_SQLITE3_13 = '13.2.0'

/** What `npm install node` fetches for this machine: the binary and the headers. */
const PACKAGE = `${process.platform === 'darwin' && process.arch === 'arm64' ? 'node-bin' : 'node'}-${process.platform}-${process.arch}`

/** The path of a Node binary, or null where it is not installed yet. */
export function findNode(version: string): string | null {
  const folder = findInstalled(`${PACKAGE}@${version}`)
  return folder && join(folder, 'node_modules', PACKAGE, 'bin/node')
}

export function installNode(version: string): string {
  install(`${PACKAGE}@${version}`)
  return findNode(version) as string
}

/** The folder of better-sqlite3 13, which brings its binaries along, or null where it is not installed yet. */
export function findBetterSqlite3(): string | null {
  return packageIn(findInstalled(`better-sqlite3@${BETTER_SQLITE3_13}`))
}

export function installBetterSqlite3(): string {
  return packageIn(install(`better-sqlite3@${BETTER_SQLITE3_13}`)) as string
}

/** better-sqlite3 12, compiled for a Node; one binary serves all Nodes of the same ABI. */
export function buildBetterSqlite3(node: string): string {
  const abi = execFileSync(node, ['-p', 'process.versions.modules'], { encoding: 'utf8' }).trim()
  const own = ownBetterSqlite3()
  if (abi === process.versions.modules && own) return own
  const spec = `better-sqlite3@${BETTER_SQLITE3_12}`
  return packageIn(install(spec, { node, build: true, purpose: `abi${abi}` })) as string
}

/** better-sqlite3 12 as `npm install --ignore-scripts` leaves it: without its binary. */
export function installWithoutBinary(): string {
  return packageIn(install(`better-sqlite3@${BETTER_SQLITE3_12}`, { purpose: 'no-scripts' })) as string
}

/** That of this repository, where it is the same version and was built. */
function ownBetterSqlite3(): string | null {
  const manifest = createRequire(import.meta.url).resolve('better-sqlite3/package.json')
  const { version } = createRequire(import.meta.url)(manifest) as { version: string }
  const isBuilt = existsSync(join(dirname(manifest), 'build/Release/better_sqlite3.node'))
  return version === BETTER_SQLITE3_12 && isBuilt ? dirname(manifest) : null
}

function packageIn(folder: string | null): string | null {
  return folder && join(folder, 'node_modules/better-sqlite3')
}
