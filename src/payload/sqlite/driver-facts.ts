import { existsSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import { findLibrary, isBundled } from '../../library.js'
import { isVersionBelow } from './driver-choice.js'
import { findElsewhere } from './driver-elsewhere.js'

/** What decides which SQLite driver can be loaded here. */
export interface SqliteFacts {
  readonly node: string
  /** The newest Node-API version of this Node, and its ABI (`process.versions.modules`). */
  readonly napi: number
  readonly abi: number
  /** For example `linux-x64`. */
  readonly platform: string
  /** The version of the GNU C library that runs here, null where there is another one or none. */
  readonly glibc: string | null
  /** The better-sqlite3 that file-signal would load, null where none is installed. */
  readonly betterSqlite3: InstalledDriver | null
  /** A better-sqlite3 of the application's, where file-signal finds none from where it stands. */
  readonly elsewhere?: string | null
  /** The version of the SQLite inside Node, null where Node has none or needs a flag for it. */
  readonly nodeSqlite: string | null
}

/** An installed better-sqlite3, as it lies on the disk. */
export interface InstalledDriver {
  readonly version: string
  /** Its native part, null where that was never built or fetched. */
  readonly binary: InstalledBinary | null
}

export interface InstalledBinary {
  readonly path: string
  /** The ABI that it was built for; null where it uses Node-API, which all later versions of Node keep. */
  readonly abi: number | null
  /** The oldest glibc that it runs with, null where it needs none. */
  readonly glibc: string | null
  /** True where it was built against the headers of Node 24.19 or later, and uses their ObjectWrap. */
  readonly hooks: boolean
}

/** Looks at this Node and at what is installed, and loads nothing of it. Takes some 5 ms. */
export function inspectSqlite(): SqliteFacts {
  const { node, napi, modules, sqlite } = process.versions
  const platform = `${process.platform}-${process.arch}`
  const glibc = process.platform === 'linux' ? glibcVersion() : null
  const betterSqlite3 = findBetterSqlite3(prebuildName(platform, glibc))
  return {
    node,
    napi: Number(napi),
    abi: Number(modules),
    platform,
    glibc,
    betterSqlite3,
    elsewhere: betterSqlite3 || !isBundled() ? null : findElsewhere(),
    nodeSqlite: isBuiltin('node:sqlite') ? (sqlite ?? '') : null,
  }
}

/** What the types for Node 20 leave out. */
interface Report {
  excludeNetwork: boolean
  getReport(): object
}

function glibcVersion(): string | null {
  const report = process.report as unknown as Report
  const before = report.excludeNetwork
  // Otherwise the report looks up the names of all peers: seconds, where the name server is slow.
  report.excludeNetwork = true
  try {
    const { header } = report.getReport() as { header?: { glibcVersionRuntime?: string } }
    return header?.glibcVersionRuntime ?? null
  } finally {
    report.excludeNetwork = before
  }
}

const MANIFEST = 'better-sqlite3/package.json'

function findBetterSqlite3(prebuild: string): InstalledDriver | null {
  try {
    const file = findLibrary(MANIFEST)?.resolve(MANIFEST)
    if (file === undefined) return null
    const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string }
    return { version, binary: findBinary(dirname(file), prebuild) }
  } catch {
    return null
  }
}

/** Where better-sqlite3 looks, in its order: what was built or fetched by its install script, then what it brings along. */
function findBinary(folder: string, prebuild: string): InstalledBinary | null {
  const places = ['build/Debug/better_sqlite3.node', 'build/Release/better_sqlite3.node', prebuild]
  const path = places.map((place) => join(folder, place)).find((place) => existsSync(place))
  if (path === undefined) return null
  const bytes = readFileSync(path)
  return { path, abi: builtForAbi(bytes), glibc: neededGlibc(bytes), hooks: bytes.includes(HOOK) }
}

/** From version 13 on. */
function prebuildName(platform: string, glibc: string | null): string {
  return `prebuilds/${glibc === null ? platform.replace('linux-', 'linuxmusl-') : platform}.node`
}

/** Since Node 24.19 each wrapped object removes a hook of its own when it is collected. */
const HOOK = 'RemoveEnvironmentCleanupHook'
const REGISTER = 'node_register_module_v'

/** A module that is bound to one ABI says so in the name of its entry point. */
function builtForAbi(bytes: Buffer): number | null {
  const at = bytes.indexOf(REGISTER)
  if (at === -1) return null
  const abi = Number.parseInt(bytes.toString('latin1', at + REGISTER.length, at + REGISTER.length + 6), 10)
  return Number.isNaN(abi) ? null : abi
}

const GLIBC = '\0GLIBC_'

/** The linker lists the versions of all symbols that a binary asks the C library for; the newest counts. */
function neededGlibc(bytes: Buffer): string | null {
  let newest: string | null = null
  for (let at = bytes.indexOf(GLIBC); at !== -1; at = bytes.indexOf(GLIBC, at + 1)) {
    const [version] =
      /^\d+\.\d+/.exec(bytes.toString('latin1', at + GLIBC.length, at + GLIBC.length + 8)) ?? []
    if (version && (newest === null || isVersionBelow(newest, version))) newest = version
  }
  return newest
}
