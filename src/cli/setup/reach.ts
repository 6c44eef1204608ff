import { realpathSync } from 'node:fs'
import { basename, dirname, join, sep } from 'node:path'
import { refusal } from './refusal.js'
import type { Wanted } from './wanted.js'

/**
 * Makes sure that all these paths lie inside the root, or are what init itself makes at the places that the
 * user names now. A manifest comes with a project, as a checkout or from a backup: it alone is no reason to
 * touch anything outside. Links above a path count as what they lead to.
 *
 * Throws SETUP_FAILED for the first path that is neither.
 */
export function assertWithinReach(root: string, paths: readonly string[], named: readonly Wanted[]): void {
  const reachable = new Set(named.flatMap(pathsOf).map(truePath))
  const outside = paths.find((path) => {
    const place = truePath(path)
    return !place.startsWith(root === sep ? root : root + sep) && !reachable.has(place)
  })
  if (outside === undefined) return
  throw refusal(
    outside,
    'lies outside the root, and .file-signal.json alone says that it is ours',
    'name its place again if that is true, by --web, --directory or --database; otherwise delete its lines there',
  )
}

function pathsOf(wanted: Wanted): string[] {
  const guards = wanted.kind === 'folder' ? Object.keys(wanted.guards ?? {}) : []
  return [wanted.path, ...guards.map((name) => join(wanted.path, name))]
}

/** Where a path leads, its last part not followed; what is missing above it is as it would be made. */
function truePath(path: string): string {
  const above = dirname(path)
  if (above === path) return path
  return join(realFolder(above), basename(path))
}

function realFolder(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : error
    if (code === 'ENOENT' || code === 'ENOTDIR') return truePath(path)
    throw refusal(path, `cannot be looked at (${code})`, undefined, error)
  }
}
