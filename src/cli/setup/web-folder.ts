import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { FileSignalError } from '../../index.js'

/** What the web server answers from. */
export interface WebFolder {
  /** Where js/sse-client.js goes. */
  readonly path: string
  readonly htaccess: string
  /** True where it was given, or found by what a panel wrote: worth remembering. */
  readonly isCertain: boolean
}

/**
 * Finds the folder that the web server answers from.
 *
 * What is given comes first, relative to the root. Panels keep it beside the app: a `public_html` whose
 * `.htaccess` names our root as PassengerAppRoot is certainly ours. Otherwise it is `public`, and `.htaccess` stands where there
 * is one already, or in the root, which Apache reads for the folders below it too.
 *
 * Throws OPTION_INVALID where the given folder is none.
 */
export function findWebFolder(root: string, given: string | null, home: string | undefined): WebFolder {
  if (given !== null) return certain(realFolder(root, given))
  for (const above of [dirname(root), home]) {
    const folder = above ? join(above, 'public_html') : null
    if (folder && folder !== root && namesRoot(join(folder, '.htaccess'), root)) {
      return certain(realpathSync(folder))
    }
  }
  const path = join(root, 'public')
  const inRoot = join(root, '.htaccess')
  const inPublic = join(path, '.htaccess')
  const htaccess = !existsSync(inRoot) && existsSync(inPublic) ? inPublic : inRoot
  return { path, htaccess, isCertain: false }
}

function certain(path: string): WebFolder {
  return { path, htaccess: join(path, '.htaccess'), isCertain: true }
}

function realFolder(root: string, given: string): string {
  try {
    const folder = realpathSync(isAbsolute(given) ? given : resolve(root, given))
    if (statSync(folder).isDirectory()) return folder
    throw new Error('it is no folder')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new FileSignalError('OPTION_INVALID', `--web is "${given}", which cannot be used (${why})`, {
      cause,
      remedy: 'give the folder that the web server answers from, relative to the project root',
    })
  }
}

function namesRoot(htaccess: string, root: string): boolean {
  try {
    const line = /^\s*PassengerAppRoot\s+(?:"([^"\n]+)"|(\S+))/im.exec(readFileSync(htaccess, 'utf8'))
    const named = line?.[1] ?? line?.[2]
    return named !== undefined && realpathSync(named) === root
  } catch {
    // Not there, or not for us to read: then it is no proof.
    return false
  }
}
