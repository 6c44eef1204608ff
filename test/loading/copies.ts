import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = fileURLToPath(new URL('../../', import.meta.url))
const LIBRARIES = [
  'bytes',
  'ms',
  'proper-lockfile',
  'proxy-addr',
  'chokidar',
  'bindings',
  'koa',
  '@koa/router',
]

/** Something that is installed with a file-signal of its own, and with its own better-sqlite3. */
export function installCopy(root: string): string {
  const modules = join(root, 'node_modules')
  mkdirSync(join(modules, '@koa'), { recursive: true })
  writeFileSync(join(root, 'package.json'), JSON.stringify({ name: basename(root), version: '7.7.7' }))
  copy('package.json', 'dist')
  for (const name of LIBRARIES) symlinkSync(join(HERE, 'node_modules', name), join(modules, name))
  copyBetterSqlite3(modules)
  return join(modules, 'file-signal')

  function copy(...names: string[]): void {
    for (const name of names) {
      cpSync(join(HERE, name), join(modules, 'file-signal', name), {
        recursive: true,
        filter: (path) => !/\.(map|d\.ts)$/.test(path),
      })
    }
  }
}

/** Its files are to be other files: the linker knows one file again, whatever its path. */
export function copyBetterSqlite3(modules: string): void {
  for (const name of ['package.json', 'lib', 'build/Release/better_sqlite3.node']) {
    cpSync(join(HERE, 'node_modules/better-sqlite3', name), join(modules, 'better-sqlite3', name), {
      recursive: true,
    })
  }
}
