import { existsSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { type Finding, pass, skip, warn } from '../result.js'
import type { StorePlaces } from './places.js'

/** Names that folders have which web servers serve. */
export const DOCUMENT_ROOTS: readonly string[] = [
  'public_html',
  'htdocs',
  'httpdocs',
  'www',
  'html',
  'public',
  'wwwroot',
]

/**
 * Whether the folders lie where a web server looks for files, and hold the `.htaccess` that denies them.
 * What the server really answers is looked at with an address.
 */
export function checkGuards({ store, directory }: StorePlaces): Finding {
  const folders = [...new Set([dirname(store), directory])].filter((folder) => existsSync(folder))
  if (folders.length === 0) return skip('the folders are not there yet')
  const served = folders.filter((folder) =>
    folder.split(sep).some((part) => DOCUMENT_ROOTS.includes(part.toLowerCase())),
  )
  const bare = folders.filter((folder) => !existsSync(join(folder, '.htaccess')))
  const details = { belowDocumentRoot: served, withoutHtaccess: bare }
  const open = served.filter((folder) => bare.includes(folder))
  if (open.length > 0) {
    return warn(
      `${open.join(' and ')}: most likely served, and without an .htaccess that denies it`,
      'write "Require all denied" into an .htaccess there, or move the folders out of the document root',
      details,
    )
  }
  const where = served.length > 0 ? 'below a folder that servers serve' : 'not below a folder of a usual name'
  return pass(`${where}; denied by .htaccess: ${folders.length - bare.length} of ${folders.length}`, details)
}
