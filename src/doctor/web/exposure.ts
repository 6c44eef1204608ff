import { existsSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { DOCUMENT_ROOTS } from '../local/guards.js'
import type { StorePlaces } from '../local/places.js'
import { type Finding, fail, pass, skip } from '../result.js'
import { ConnectFault } from './connect-fault.js'
import { ask, type Client } from './probe.js'
import { atPath, type Target } from './target.js'

const TIME = 2500
/** The defaults of `database` and `directory`, with the file that stands there. */
const USUAL = [join('data', 'sse_payloads.sqlite'), join('tmp', 'sse_signals', 'events.signal')]

/**
 * Asks the app's own web server for the store and the signal file themselves, at the addresses that they would
 * have if the project, or a folder that is usually served, were the document root. What counts is what the
 * answer holds. For the account's own server alone: others are not to learn where its files lie.
 */
export async function checkExposure(client: Client, target: Target, places: StorePlaces): Promise<Finding> {
  const files = [
    { path: places.store, is: (text: string) => text.startsWith('SQLite format 3') },
    { path: places.signalFile, is: (text: string) => /^[0-9a-z]{4,32}-\d{1,16}\s/.test(text) },
  ].filter(({ path }) => existsSync(path))
  if (files.length === 0) return skip('not known: neither file is there yet')
  const asked = files.flatMap(({ path, is }) =>
    addressesOf(path, places.root, target.url).map((address) => ({ address, is })),
  )
  if (asked.length === 0) {
    return skip('not asked: neither file lies in the project, or below a folder that is usually served')
  }
  const answers = await Promise.all(asked.map(({ address, is }) => look(client, atPath(target, address), is)))
  const details = { answers }
  const served = answers.filter(({ isOurs }) => isOurs)
  if (served.length > 0) {
    return fail(
      `the web server hands out ${served.map(({ url }) => url).join(' and ')}`,
      'deny both folders to the web (nginx/ and apache/ show how), or move FILE_SIGNAL_DATABASE and FILE_SIGNAL_DIR out of the document root',
      details,
    )
  }
  const statuses = [...new Set(answers.map(({ status }) => status ?? 'no answer'))].join(', ')
  return pass(`neither file is handed out (${answers.length} addresses asked: ${statuses})`, details)
}

/** Whether both lie where every project has them by default: their names tell nobody anything. */
export function areUsual({ root, store, signalFile }: StorePlaces): boolean {
  if (root === null) return false
  return [store, signalFile].every((path, i) => relative(root, path) === USUAL[i])
}

/**
 * `/data/x.sqlite` of a file in the project or below `public_html`, and `/app/data/x.sqlite` where the stream is
 * `/app/orders.sse`. Each folder in it is the project's own or below a document root: names of the account stay here.
 */
function addressesOf(path: string, root: string | null, { pathname }: URL): string[] {
  const folders = path.split(sep)
  // Higher up, as in /var/www, lie the sites of many.
  const served = folders.findLastIndex((name, i) => i > 2 && DOCUMENT_ROOTS.includes(name.toLowerCase()))
  const below = served < 0 ? [] : [folders.slice(served + 1).join('/')]
  const own = root !== null && path.startsWith(root + sep) ? [relative(root, path).split(sep).join('/')] : []
  const above = pathname.split('/').slice(1, -1)
  const prefixes = ['', ...above.map((_, i) => `${above.slice(0, i + 1).join('/')}/`)]
  const inProject = own.flatMap((name) => prefixes.map((prefix) => `/${prefix}${encode(name)}`))
  return [...new Set([...inProject, ...below.map((name) => `/${encode(name)}`)])]
}

function encode(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}

async function look(
  client: Client,
  target: Target,
  is: (text: string) => boolean,
): Promise<{ url: string; status: number | null; isOurs: boolean }> {
  const url = target.url.href
  try {
    const { exchange } = await ask(client, target, { accept: '*/*', encoding: 'identity' })
    await exchange.until(({ text }) => text.length >= 64, TIME)
    exchange.leave()
    const { status, text } = exchange
    return { url, status, isOurs: status !== null && status < 300 && is(text) }
  } catch (error) {
    if (!(error instanceof ConnectFault)) throw error
    return { url, status: null, isOurs: false }
  }
}
