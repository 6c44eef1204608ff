import { readFileSync } from 'node:fs'
import { isAbsolute, join, relative, sep } from 'node:path'
import { FileSignalError, type Places } from '../../index.js'
import { BOM, topOf } from './block.js'

const HEAD = `# Where file-signal keeps its files: process.loadEnvFile() at the top of your start file reads this.
# A root of "." is the project that the running program belongs to, so a copy of the project has a store of its own.
`
const HEAD_OF_PLACE = `# Where file-signal keeps its files: process.loadEnvFile() at the top of your start file reads this.
# Run file-signal init again after a move of the project, and in a copy of it.
`

/**
 * The lines for `.env`: where things lie, for `process.loadEnvFile()` and for publishers in other languages.
 * Names that the file sets by itself, around our block, are left out; '' where it sets them all.
 *
 * The root is `.`, which a copy of the project takes along; in full where it has no named package.json, for then no
 * rule would find it.
 *
 * Throws SETUP_FAILED for a path that cannot be written in a `.env`.
 */
export function environmentBody({ root, directory, database }: Places, around: string): string {
  const isFound = isProject(root.path)
  const lines = Object.entries({
    FILE_SIGNAL_ROOT: isFound ? '.' : root.path,
    FILE_SIGNAL_DIR: fromRoot(root.path, directory),
    FILE_SIGNAL_DATABASE: fromRoot(root.path, database),
  })
    .filter(([name]) => !new RegExp(`^\\s*(?:export\\s+)?${name}\\s*=`, 'm').test(around))
    .map(([name, value]) => `${name}=${quoted(value)}\n`)
  if (lines.length === 0) return ''
  return `${isFound ? HEAD : HEAD_OF_PLACE}${lines.join('')}`
}

function isProject(root: string): boolean {
  try {
    const { name }: { name?: unknown } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return typeof name === 'string' && name !== ''
  } catch {
    return false
  }
}

/**
 * The index at which the block goes into a `.env` (one character per byte).
 *
 * Node 20 and shells take a BOM for a letter: to Node all that follows it up to the first `=`, comments and line
 * breaks too, is one name. So the block stands below the line of that setting, which reads as before.
 *
 * Throws SETUP_FAILED for a BOM with no such line.
 */
export function placeInEnvironment(text: string): number {
  if (!text.startsWith(BOM)) return topOf(text)
  const [setting = '', value = ''] = /^[^=]*=(.*)\n/.exec(text) ?? []
  const quote = /^\s*(["'`])/.exec(value)?.[1]
  const isWhole = quote === undefined || value.split(quote).length > 2
  if (setting !== '' && isWhole) return setting.length
  throw new FileSignalError(
    'SETUP_FAILED',
    '.env begins with a BOM, and Node would read our lines as part of a name',
    {
      remedy: 'save it as UTF-8 without a BOM, and run the command again',
    },
  )
}

/** Relative to the root where it lies there, with slashes and `.` for the root; else as it is. */
export function fromRoot(root: string, path: string): string {
  const way = relative(root, path)
  return way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)
    ? path
    : way.split(sep).join('/') || '.'
}

/** Plain where that is safe. No escape is the same for all who read such files, so a quote is chosen that is not in it. */
function quoted(value: string): string {
  if (/^[\w./:@+,-]+$/.test(value)) return value
  const quote = ["'", '"'].find((mark) => !value.includes(mark) && !(mark === '"' && /[\\$`]/.test(value)))
  const isPlain = !/[\r\n\0]/.test(value)
  if (quote && isPlain) return `${quote}${value}${quote}`
  throw new FileSignalError('SETUP_FAILED', `the path ${JSON.stringify(value)} cannot be written in .env`, {
    remedy: 'rename the folder: without line breaks, and with no more than one kind of quotes',
  })
}
