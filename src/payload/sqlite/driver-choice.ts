import { quotePath } from '../../errors.js'
import type { InstalledDriver, SqliteFacts } from './driver-facts.js'

/** better-sqlite3 is the first choice, the SQLite inside Node the second. */
export type SqliteDriver = 'better-sqlite3' | 'node:sqlite'

/** Which driver would be used, and why not another. */
export interface SqliteChoice {
  /** null where none can be loaded safely: the store then says SQLITE_MISSING. */
  readonly driver: SqliteDriver | null
  /** The version of better-sqlite3, or of Node, which brings the other. */
  readonly version: string | null
  /** Why better-sqlite3 is not used, and where there is no driver at all, why not the other either. */
  readonly reason: string | null
  /** What would bring better-sqlite3 or, where there is no driver at all, any of the two; null with the first choice. */
  readonly remedy: string | null
}

/** better-sqlite3 13 is built against Node-API 10, which Node has from 22.14 and 23.6 on. */
const NODE_API_OF_13 = 10
const NEWEST_KNOWN = 13
/** The first Node that bears a collected object removing its hook; https://github.com/nodejs/node/issues/65446 */
const BEARS_HOOKS = '26.4'

/**
 * Chooses a driver from facts alone, and loads nothing: a better-sqlite3 that does not suit this Node kills the
 * process, 13 by SIGSEGV at the first database, 12 by SIGABRT at some garbage collection. Nothing can catch that.
 */
export function chooseSqlite(facts: SqliteFacts): SqliteChoice {
  const found = facts.betterSqlite3
  const obstacle = found ? obstacleOf(found, facts) : notInstalled(facts)
  if (found && obstacle === null) {
    return { driver: 'better-sqlite3', version: found.version, reason: null, remedy: null }
  }
  return withoutBetterSqlite3(facts, obstacle as Obstacle)
}

/** Why a driver cannot be used, and what would help. */
export interface Obstacle {
  readonly reason: string
  readonly remedy: string
}

/** The second choice, after `obstacle` has ruled out the first. */
export function withoutBetterSqlite3(facts: SqliteFacts, { reason, remedy }: Obstacle): SqliteChoice {
  if (facts.nodeSqlite !== null) return { driver: 'node:sqlite', version: facts.node, reason, remedy }
  const isOld = isVersionBelow(facts.node, '22.13')
  return {
    driver: null,
    version: null,
    reason: `${reason}, and Node ${facts.node} ${isOld ? 'has no SQLite of its own' : 'was built or started without its own SQLite'}`,
    remedy: `${remedy}${isOld ? ', or update Node to 22.13 or later, which has SQLite built in' : ''}`,
  }
}

/** The obstacle where better-sqlite3 looked right and could not be loaded all the same. */
export function loadFailed({ version }: InstalledDriver, cause: unknown): Obstacle {
  const [line] = String(cause instanceof Error ? cause.message : cause).split('\n')
  return { reason: `better-sqlite3 ${version} cannot be loaded (${line})`, remedy: REBUILD }
}

const REBUILD = 'run: npm rebuild better-sqlite3'

function notInstalled(facts: SqliteFacts): Obstacle {
  if (facts.elsewhere) {
    return {
      reason: `better-sqlite3 is installed (${quotePath(facts.elsewhere)}), but not to be found from a bundle that file-signal was built into`,
      remedy:
        'leave both packages out of the bundle: external of esbuild, Vite and webpack, serverExternalPackages of Next.js: ["file-signal", "better-sqlite3"]',
    }
  }
  const major = suits13(facts) ? 13 : 12
  return {
    reason: 'better-sqlite3 is not installed',
    remedy: `run: npm install better-sqlite3@${major}`,
  }
}

function obstacleOf({ version, binary }: InstalledDriver, facts: SqliteFacts): Obstacle | null {
  const name = `better-sqlite3 ${version}`
  const major = Number.parseInt(version, 10)
  if (major >= NEWEST_KNOWN && facts.napi < NODE_API_OF_13) {
    return {
      reason: `${name} would crash Node ${facts.node}: it needs Node-API ${NODE_API_OF_13}, which Node has from 22.14 on`,
      remedy: 'run: npm install better-sqlite3@12',
    }
  }
  if (!(major <= NEWEST_KNOWN)) {
    return {
      reason: `${name} is newer than this version of file-signal knows`,
      remedy: `run: npm install better-sqlite3@${NEWEST_KNOWN}, or update file-signal`,
    }
  }
  if (binary === null) return withoutBinary(name, major, facts)
  if (binary.abi !== null && binary.abi !== facts.abi) {
    return {
      reason: `${name} was built for another Node (its ABI is ${binary.abi}, Node ${facts.node} has ${facts.abi})`,
      remedy: REBUILD,
    }
  }
  if (binary.hooks && isVersionBelow(facts.node, BEARS_HOOKS)) {
    return {
      reason: `${name} would abort Node ${facts.node} at some garbage collection: it was built with Node 24.19 or later`,
      remedy: suits13(facts)
        ? 'run: npm install better-sqlite3@13'
        : 'build better-sqlite3 12 with Node 24.18, or update Node to 26.4 or later',
    }
  }
  if (binary.glibc !== null && (facts.glibc === null || isVersionBelow(facts.glibc, binary.glibc))) {
    const here = facts.glibc === null ? 'this system has none' : `this system has ${facts.glibc}`
    return {
      reason: `${name} needs glibc ${binary.glibc}, ${here}`,
      remedy: 'with a C++ compiler run: npm install better-sqlite3@12 --build-from-source',
    }
  }
  return null
}

function withoutBinary(name: string, major: number, facts: SqliteFacts): Obstacle {
  if (major >= 13) {
    return {
      reason: `${name} has no binary for ${facts.platform}`,
      remedy: 'with a C++ compiler run: npm install better-sqlite3@12',
    }
  }
  return {
    reason: `${name} was installed without its binary`,
    remedy: suits13(facts)
      ? 'run: npm install better-sqlite3@13, which needs no install script'
      : `${REBUILD} (npm may have to be told to run its install script: npm install-scripts approve better-sqlite3)`,
  }
}

/** The binary that version 13 brings along needs Node-API 10, and on Linux glibc 2.34. */
function suits13({ napi, platform, glibc }: SqliteFacts): boolean {
  if (napi < NODE_API_OF_13) return false
  return !platform.startsWith('linux-') || glibc === null || !isVersionBelow(glibc, '2.34')
}

/** Compares versions by their first two numbers: 2.5 is below 2.28. */
export function isVersionBelow(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number)
  return major === thanMajor ? minor < thanMinor : major < thanMajor
}
