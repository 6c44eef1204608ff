import { type Finding, pass, skip } from '../result.js'
import { compare } from './node.js'

/** What the ready-made binary of better-sqlite3 13 was linked against. */
const OF_BETTER_SQLITE_13 = '2.34'

/** The C library, which decides what ready-made native code can be loaded. */
export function checkLibc(): Finding {
  const version = glibcVersion()
  if (process.platform !== 'linux') return skip(`no question on ${process.platform}`)
  if (version === null) {
    return skip('not known: Node names no glibc, so it is most likely musl (Alpine)', null, { glibc: null })
  }
  const note = isAtLeast(version, OF_BETTER_SQLITE_13)
    ? ''
    : `; better-sqlite3 13 would need ${OF_BETTER_SQLITE_13}`
  return pass(`glibc ${version}${note}`, { glibc: version })
}

/** The version of glibc that runs, null where there is none. */
function glibcVersion(): string | null {
  const report: unknown = process.report?.getReport()
  if (typeof report !== 'object' || report === null || !('header' in report)) return null
  const { header } = report
  if (typeof header !== 'object' || header === null || !('glibcVersionRuntime' in header)) return null
  return typeof header.glibcVersionRuntime === 'string' ? header.glibcVersionRuntime : null
}

function isAtLeast(version: string, least: string): boolean {
  return compare(version.split('.').map(Number), least.split('.').map(Number)) >= 0
}
