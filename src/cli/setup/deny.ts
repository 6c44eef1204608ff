import { basename, dirname, relative, sep } from 'node:path'
import type { Places } from '../../index.js'
import { fromRoot } from './environment.js'

/** What the server files of the package deny, as all of them write it. */
const RULE = String.raw`(/sse_signals/|\.sqlite[^/]*$|\.signal$|/\.(env|file-signal))`
/** What SQLite and file-signal put beside a store. */
const BESIDE = String.raw`(-wal|-shm|-journal|-owner|\.damaged-[^/]*)?$`

/**
 * A server file of the package that denies the chosen store and signal folder too, where the rule does not
 * cover them by itself. `web` is the folder that the web server answers from.
 */
export function withPlaces(text: string, places: Places, web: string): string {
  const more = [...storePatterns(places), ...folderPatterns(places, web)]
  if (more.length === 0) return text
  return text.replaceAll(RULE, () => `${RULE.slice(0, -1)}|${more.join('|')})`)
}

/** By its name in any folder, for the document root may be any. `data/orders` must not take the page `/orders` away. */
function storePatterns({ root, database }: Places): string[] {
  const name = basename(database)
  if (/\.sqlite[^/]*$/i.test(name)) return []
  if (name.includes('.')) return [`/${literal(name)}[^/]*$`]
  const folder = basename(dirname(fromRoot(root.path, database)))
  return [`/${literal(folder === '.' ? name : `${folder}/${name}`)}${BESIDE}`]
}

/** The signal files in it are denied by their names. A folder around the site would take all of the site away. */
function folderPatterns({ root, directory }: Places, web: string): string[] {
  if (basename(directory) === 'sse_signals' || isWithin(web, directory)) return []
  const bases = [root.path, web].filter((base) => base !== directory && isWithin(directory, base))
  return bases.map((base) => `/${literal(relative(base, directory).split(sep).join('/'))}/`)
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}

/** Bytes that could mean something to an expression, or end a word of a server file, by their number. */
function literal(path: string): string {
  return Array.from(Buffer.from(path), (byte) => {
    const character = String.fromCharCode(byte)
    if (/[\w/-]/.test(character)) return character
    return character === '.' ? '\\.' : `\\x${byte.toString(16).padStart(2, '0')}`
  }).join('')
}
