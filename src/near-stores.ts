import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { isInside, real } from './paths.js'

/** Another store of ours that lies near a project. */
export interface NearStore {
  readonly path: string
  /** Where it lies, seen from the root: in a folder above, below, in the root itself, or in a project beside it. */
  readonly where: 'above' | 'below' | 'here' | 'beside'
}

const USUAL = join('data', 'sse_payloads.sqlite')
/** packages/team/web of a workspace is in the third. */
const DEPTH = 3
/** A project with more folders is searched no further: this is a look, not a hunt. */
const MOST_FOLDERS = 2000

/**
 * Finds stores of ours near a root: in it, in the folders above, in those below, and in the other packages of its
 * workspace. Whoever publishes into one of them is not heard by those who read the root's own.
 *
 * Looks for the usual name, and for the store's own where that lies in the root. Never rejects.
 */
export async function findNearStores(root: string, store: string): Promise<NearStore[]> {
  const names = new Set([USUAL, ...(isInside(root, store) ? [relative(root, store)] : [])])
  const own = real(store) ?? store
  const above = foldersAbove(root)
  const found = new Map<string, NearStore>()
  for (const folder of [root, ...above, ...(await foldersBelow(await topOf(root, above)))]) {
    for (const name of names) {
      const path = join(folder, name)
      const place = (await isFile(path)) ? real(path) : null
      if (place && place !== own && !found.has(place))
        found.set(place, { path, where: whereIs(folder, root) })
    }
  }
  return [...found.values()]
}

function whereIs(folder: string, root: string): NearStore['where'] {
  if (folder === root) return 'here'
  if (isInside(root, folder)) return 'below'
  return isInside(folder, root) ? 'above' : 'beside'
}

function foldersAbove(root: string): string[] {
  const above = dirname(root)
  return above === root ? [] : [above, ...foldersAbove(above)]
}

/** The top of the workspace that a root is a package of; the root itself where there is none. */
async function topOf(root: string, above: readonly string[]): Promise<string> {
  for (const folder of above) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '')
    if (/"workspaces"\s*:/.test(text) || (await isFile(join(folder, 'pnpm-workspace.yaml')))) return folder
  }
  return root
}

/** Real folders alone: links are other names of what is looked at, or lead away. Those nearest first. */
async function foldersBelow(top: string): Promise<string[]> {
  const all: string[] = []
  let level = [top]
  for (let depth = 0; depth < DEPTH && level.length > 0 && all.length < MOST_FOLDERS; depth += 1) {
    const next: string[] = []
    for (const folder of level.slice(0, MOST_FOLDERS - all.length)) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
      const inside = entries.filter((entry) => entry.isDirectory() && !/^(\.|node_modules$)/.test(entry.name))
      next.push(...inside.map(({ name }) => join(folder, name)))
    }
    all.push(...next)
    level = next
  }
  return all.slice(0, MOST_FOLDERS)
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  )
}
