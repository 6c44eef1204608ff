import { createRequire } from 'node:module'
import { join } from 'node:path'
import { attempt } from '../../attempt.js'

/**
 * The better-sqlite3 that the application itself would load, where this code, moved by a bundler, does not find it from
 * where it stands; null for none.
 */
export function findElsewhere(): string | null {
  for (const from of [process.argv[1], join(process.cwd(), 'index.js')]) {
    const found = from && attempt(() => createRequire(from).resolve('better-sqlite3/package.json'))
    if (found) return found
  }
  return null
}
