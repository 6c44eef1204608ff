import { isVersionBelow } from '../../payload/sqlite/driver-choice.js'
import type { SqliteFacts } from '../../payload/sqlite/driver-facts.js'
import { type Finding, pass, skip, warn } from '../result.js'

/** The C library, which decides what ready-made native code can be loaded; and what the driver's code asks of it. */
export function checkLibc({ glibc, platform, betterSqlite3 }: SqliteFacts): Finding {
  const needed = betterSqlite3?.binary?.glibc ?? null
  const details = { glibc, needed }
  if (!platform.startsWith('linux-')) return skip(`no question on ${platform}`, null, details)
  if (glibc === null) {
    return skip('not known: Node names no glibc, so it is most likely musl (Alpine)', null, details)
  }
  if (needed === null) return pass(`glibc ${glibc}; nothing here needs a certain one`, details)
  const seen = `glibc ${glibc}; better-sqlite3 needs ${needed}`
  if (!isVersionBelow(glibc, needed)) return pass(seen, details)
  return warn(
    seen,
    'use Node 22.13 or later, whose own SQLite needs nothing else, or build better-sqlite3 12',
    details,
  )
}
