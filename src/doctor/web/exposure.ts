import { existsSync } from 'node:fs'
import { sep } from 'node:path'
import type { StorePlaces } from '../local/places.js'
import { type Finding, fail, pass, skip } from '../result.js'
import { ConnectFault } from './connect-fault.js'
import { ask, type Client } from './probe.js'
import { atPath, type Target } from './target.js'

const TIME = 2500
/** The document root may be the project, or a folder up to two above it. */
const DEEPEST = 5

/**
 * Asks the web server for the store and the signal file themselves, at every address that they would have
 * if the project, or a folder above it, were the document root. What counts is what the answer holds.
 */
export async function checkExposure(client: Client, target: Target, places: StorePlaces): Promise<Finding> {
  const files = [
    { path: places.store, is: (text: string) => text.startsWith('SQLite format 3') },
    { path: places.signalFile, is: (text: string) => /^[0-9a-z]{4,32}-\d{1,16}\s/.test(text) },
  ].filter(({ path }) => existsSync(path))
  if (files.length === 0) return skip('not known: neither file is there yet')
  const answers = await Promise.all(
    files.flatMap(({ path, is }) =>
      addressesOf(path).map((address) => look(client, atPath(target, address), is)),
    ),
  )
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

/** `/data/x.sqlite`, `/app/data/x.sqlite`, `/public_html/app/data/x.sqlite` of one path. */
function addressesOf(path: string): string[] {
  const parts = path.split(sep).filter(Boolean)
  const names = parts.map(encodeURIComponent)
  const least = Math.min(2, names.length)
  return Array.from(
    { length: Math.min(DEEPEST, names.length) - least + 1 },
    (_, i) => `/${names.slice(-(least + i)).join('/')}`,
  )
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
