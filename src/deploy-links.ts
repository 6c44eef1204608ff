import type { Dirent } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative } from 'node:path'
import { isInside } from './paths.js'

/** How many folders above a root are searched for links: releases/7/apps/web has its `current` in the fourth. */
const LEVELS = 5
/** More links than a deploy tool makes; each is looked at once a second while there are streams. */
const MOST = 8
/** Deployer's link to the release that it is still building. */
const UNFINISHED = 'release'

/**
 * The paths that lead to a root by a link, such as `current` beside `releases`: a deploy switches the link, and
 * touches what lies behind it by then.
 *
 * `given` are paths as the process was told of them, which may come through a link that lies anywhere. Others are
 * found beside the root and above it. Never rejects; what cannot be read has no links.
 */
export async function linksTo(
  root: string,
  given: readonly (string | null | undefined)[],
): Promise<string[]> {
  const found = new Set<string>()
  for (const path of given) {
    const link = path && isAbsolute(path) ? await through(path, root) : null
    if (link) found.add(link)
  }
  for (let level = 0, below = root; level < LEVELS && below !== dirname(below); level += 1) {
    below = dirname(below)
    for (const link of await linksIn(below)) {
      const target = await resolved(link)
      if (target && isInside(target, root)) found.add(join(link, relative(target, root)))
    }
  }
  return [...found].filter((path) => path !== root).slice(0, MOST)
}

/** Of a path and those above it the one that is the root by another name. */
async function through(path: string, root: string): Promise<string | null> {
  for (let place = path; ; place = dirname(place)) {
    if (place !== root && (await resolved(place)) === root) return place
    if (place === dirname(place)) return null
  }
}

async function linksIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => [])
  return entries
    .filter((entry) => entry.isSymbolicLink() && entry.name !== UNFINISHED)
    .map(({ name }) => join(folder, name))
}

/** What stands behind a path, null where nothing does. */
export function resolved(path: string): Promise<string | null> {
  return realpath(path).catch(() => null)
}
