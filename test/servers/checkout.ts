import { chmodSync, cpSync, existsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freshFolder } from '../support/folder.js'
import { USER } from './user.js'

/** Where USER finds the package, its libraries and Node. */
export interface Checkout {
  /** The repository, or a copy of what runs of it. */
  readonly root: string
  readonly node: string
}

export const REPOSITORY = fileURLToPath(new URL('../../', import.meta.url))

/** What an app and a publisher need; and libraries that only tools need, two thirds of the whole. */
const PARTS = ['package.json', 'dist', 'build', 'node_modules']
const LEFT_OUT = [
  '.cache',
  '@biomejs',
  '@typescript',
  '@arethetypeswrong',
  'echarts',
  'playwright-core',
  'typescript',
]

let copy: Checkout | null = null

/**
 * The repository and Node as USER can read them: copies in a temp folder where they lie in a folder that is closed
 * to others, as a checkout under /root or made with `mktemp -d` does.
 */
export function checkout(): Checkout {
  const isRootClosed = closedFolder(REPOSITORY) !== null
  const isNodeClosed = closedFolder(process.execPath) !== null
  if (!isRootClosed && !isNodeClosed) return { root: REPOSITORY, node: process.execPath }
  if (copy === null || !existsSync(copy.root)) copy = makeCopy(isRootClosed, isNodeClosed)
  return copy
}

/** The first folder above `path` that USER may not enter, or null. */
export function closedFolder(path: string = tmpdir()): string | null {
  if (USER.uid === undefined) return null
  const start = statSync(path).isDirectory() ? path : dirname(path)
  for (let folder = join(start, '.'); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return folder
    if (folder === dirname(folder)) return null
  }
}

function makeCopy(isRootClosed: boolean, isNodeClosed: boolean): Checkout {
  const folder = freshFolder()
  chmodSync(folder, 0o755)
  const node = join(folder, 'node')
  if (isNodeClosed) cpSync(process.execPath, node)
  if (isRootClosed) for (const part of PARTS) copyPart(part, folder)
  return { root: isRootClosed ? folder : REPOSITORY, node: isNodeClosed ? node : process.execPath }
}

function copyPart(part: string, folder: string): void {
  const libraries = join(REPOSITORY, 'node_modules')
  cpSync(join(REPOSITORY, part), join(folder, part), {
    recursive: true,
    filter: (path) => !LEFT_OUT.includes(relative(libraries, path)),
  })
}
