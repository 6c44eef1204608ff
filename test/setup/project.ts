import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { freshFolder } from '../support/folder.js'

/** What lies in a folder: rights and contents of each file, by path; `mtimes` tells whether somebody wrote the same again. */
export type Tree = Record<string, string>

/** A project with these files, at the end of a folder of its own. */
export function createProject(files: Record<string, string | Buffer> = {}): string {
  const root = join(freshFolder(), 'app')
  mkdirSync(root)
  for (const [path, content] of Object.entries({ 'package.json': '{"name":"shop"}\n', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
  }
  return root
}

export function treeOf(folder: string): Tree {
  return look(folder, ({ mode }) => (mode & 0o7777).toString(8))
}

/** The tree with the times of the last change, of folders too. */
export function timedTreeOf(folder: string): Tree {
  return look(folder, ({ mode, mtimeNs, ino }) => `${(Number(mode) & 0o7777).toString(8)} ${mtimeNs} ${ino}`)
}

function look(
  folder: string,
  describe: (stats: { mode: number; mtimeNs: bigint; ino: number }) => string,
): Tree {
  const tree: Tree = {}
  const visit = (name: string): void => {
    const path = join(folder, name)
    const stats = lstatSync(path)
    const { mtimeNs } = lstatSync(path, { bigint: true })
    const content = stats.isSymbolicLink()
      ? `-> ${readlinkSync(path)}`
      : stats.isDirectory()
        ? '/'
        : readFileSync(path, 'latin1')
    tree[name] = `${describe({ mode: stats.mode, ino: stats.ino, mtimeNs })} ${content}`
    if (stats.isDirectory()) for (const child of readdirSync(path).sort()) visit(join(name, child))
  }
  visit('.')
  return tree
}

/** Takes the right to write from a folder, and returns what gives it back. */
export function makeReadOnly(folder: string): () => void {
  chmodSync(folder, 0o555)
  return () => chmodSync(folder, 0o755)
}
