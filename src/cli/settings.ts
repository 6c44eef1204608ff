import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseEnv } from 'node:util'
import { locate } from '../index.js'
import type { GivenPlaces } from './session.js'

/** What may stand in `.env`, and the option that is said instead. */
const PLACES = [
  ['FILE_SIGNAL_ROOT', 'root'],
  ['FILE_SIGNAL_DIR', 'directory'],
  ['FILE_SIGNAL_DATABASE', 'database'],
] as const

/**
 * Puts into the environment what the project's `.env` says of places, where neither the command line nor the
 * environment does. The app's start file reads the same lines: without them the command would publish into a
 * store that nobody reads.
 */
export function readSettings(given: GivenPlaces): void {
  const settings = parse(readProject(given))
  for (const [name, option] of PLACES) {
    const value = settings[name]
    if (value && given[option] === undefined && !process.env[name]) process.env[name] = value
  }
}

/** The text of `.env` in the root; '' where there is no root, no such file, or none for this user. */
function readProject({ root }: GivenPlaces): string {
  try {
    return readFileSync(join(locate(root === undefined ? {} : { root }).root.path, '.env'), 'utf8')
  } catch {
    return ''
  }
}

/** parseEnv() takes a byte order mark for a part of the first name. */
function parse(text: string): Partial<Record<string, string>> {
  return parseEnv(text.replace(/^\uFEFF/, ''))
}
