import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Finds a library that is loaded at its first use, and only where it is installed: returns the `require` of the first
 * place from which `request` can be resolved, null where there is none.
 *
 * A bundler may have moved this code, or have written into it the path that it had where it was built. Then the
 * running script and the working directory are asked, too. In its own package it asks nobody else: a command that is
 * run in somebody's folder is not to load native code from there.
 */
export function findLibrary(request: string): NodeJS.Require | null {
  for (const place of places()) {
    const require = requireAt(place, request)
    if (require) return require
  }
  return null
}

/** Loads a library from where `findLibrary` finds it. Throws what `require` throws. */
export function loadLibrary(name: string): unknown {
  const require = findLibrary(name)
  if (require) return require(name)
  throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' })
}

/** True where a bundler has put this code into a file of the application's. */
export function isBundled(): boolean {
  return !ownFiles().some((file) => nameAbove(dirname(file)) === 'file-signal')
}

function places(): string[] {
  const own = ownFiles()
  if (!isBundled()) return own
  const script = process.argv[1]
  const folder = workingDirectory()
  return [...own, ...(script ? [script] : []), ...(folder === null ? [] : [join(folder, 'index.js')])]
}

/** Paths of the file that holds this code: one of the two is there, in ES modules and in CommonJS. */
function ownFiles(): string[] {
  const files: string[] = []
  // Bundlers leave nothing of it in CommonJS, and others a path of another machine or system.
  const url: string | undefined = import.meta.url
  try {
    if (url !== undefined) files.push(fileURLToPath(url))
  } catch {}
  if (typeof __filename === 'string') files.push(__filename)
  return files
}

function requireAt(place: string, request: string): NodeJS.Require | null {
  try {
    const require = createRequire(place)
    require.resolve(request)
    return require
  } catch {
    return null
  }
}

/** The name in the nearest package.json that has one, null where there is none. */
function nameAbove(folder: string): string | null {
  for (let path = folder; ; path = dirname(path)) {
    try {
      const { name }: { name?: string } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
      if (name) return name
    } catch {}
    if (path === dirname(path)) return null
  }
}

function workingDirectory(): string | null {
  try {
    return process.cwd()
  } catch {
    return null
  }
}
