import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { createFileSignal, type FileSignalError } from 'file-signal'
import { listen } from 'file-signal/client'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const CLI = join(HERE, 'dist/cli/main.js')

/** Every page of the repository, as paths from its root. */
const PAGES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: HERE,
  encoding: 'utf8',
})
  .trim()
  .split('\n')

/** Folders of the repository: text in code that begins with one of them names a file of ours. */
const FOLDERS = ['apache', 'bench', 'docs', 'examples', 'nginx', 'src', 'test']

/** In pages that describe a user's project, init makes these there. */
const OF_USERS = new Set([
  'nginx/file-signal.conf',
  'nginx/file-signal-passenger.conf',
  'apache/file-signal.conf',
])

/** Opens nothing before its first use. */
const INSTANCE = createFileSignal()

describe('the documentation', () => {
  for (const page of PAGES) {
    describe(page, () => {
      const text = readFileSync(join(HERE, page), 'utf8')

      it('links to files and headings that are there', () => {
        const broken = linksOf(text).filter((link) => !isThere(page, link))
        expect(broken).to.deep.equal([])
      })

      it('names files that are there', () => {
        const named = codeOf(text).flatMap((code) => code.match(/[\w./@-]+/g) ?? [])
        const ours = named.filter((name) => FOLDERS.includes(name.split('/')[0] ?? '') && name.includes('/'))
        const missing = ours.filter((name) => !OF_USERS.has(name) && !existsSync(join(HERE, name)))
        expect(missing).to.deep.equal([])
      })

      it('calls what an instance has', () => {
        const called = codeOf(text).flatMap((code) => [...code.matchAll(/\bevents\.(\w+)\(/g)])
        expect(called.map(([, name]) => name as string).filter((name) => !(name in INSTANCE))).to.deep.equal(
          [],
        )
      })

      it('shows commands and options that the command line has', () => {
        const wrong = commandsOf(text).filter((command) => !exists(command))
        expect(wrong).to.deep.equal([])
      })
    })
  }

  const tables: [page: string, heading: string, ask: () => void][] = [
    ['README.md', 'Options of an instance', () => createFileSignal({ nonesuch: 1 } as object)],
    ['README.md', 'Options of a stream', () => INSTANCE.stream('a', { nonesuch: 1 } as object)],
    ['docs/figures.md', 'Options of metrics()', () => INSTANCE.metrics({ nonesuch: 1 } as never)],
    ['docs/inspector.md', 'Options', () => INSTANCE.inspector({ nonesuch: 1 } as never)],
    ['docs/sources.md', 'Options', () => INSTANCE.streamFrom([], { nonesuch: 1 } as object)],
  ]
  for (const [page, heading, ask] of tables) {
    it(`lists all options, and no other: ${page}, ${heading}`, () => {
      const [, section = ''] = readFileSync(join(HERE, page), 'utf8').split(`# ${heading}\n`)
      const rows = [...(section.split('\n#')[0] ?? '').matchAll(/^\| (`[^|]+) \|/gm)]
      const listed = rows.flatMap(([, cell]) => (cell as string).match(/\w+/g) ?? [])
      expect(listed.sort()).to.deep.equal(knownOptions(ask).sort())
    })
  }

  it('lists all options of the client, and all reasons of its states: docs/client.md', () => {
    const page = readFileSync(join(HERE, 'docs/client.md'), 'utf8')
    const [, options = ''] = page.split('## Options\n')
    const listed = [...(options.split('\n#')[0] ?? '').matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name)
    const unknown = () => listen('http://127.0.0.1/', { nonesuch: 1 } as object)
    expect(unknown).to.throw(TypeError, new RegExp(`knows ${listed.join(', ')}$`))
    const source = readFileSync(join(HERE, 'src/client/states.ts'), 'utf8')
    const [, reasons = ''] = /type Reason =([\s\S]*?)\n\n/.exec(source) ?? []
    const [, table = ''] = page.split('| reason | what has happened |\n')
    const explained = [...(table.split('\n\n')[0] ?? '').matchAll(/^\| `([\w-]+)`/gm)].map(([, name]) => name)
    expect(explained.sort()).to.deep.equal(
      [...reasons.matchAll(/'([\w-]+)'/g)].map(([, name]) => name).sort(),
    )
  })

  it('links, in what the package ships, only to what it ships too', () => {
    const out = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: HERE,
      encoding: 'utf8',
    })
    const [{ files }] = JSON.parse(out) as [{ files: { path: string }[] }]
    const shipped = files.map(({ path }) => path)
    const isShipped = (path: string) => shipped.some((file) => file === path || file.startsWith(`${path}/`))
    const wrong = PAGES.filter((page) => shipped.includes(page)).flatMap((page) =>
      linksOf(readFileSync(join(HERE, page), 'utf8'))
        .map((link) => targetOf(page, link).path)
        .filter((path) => !isShipped(path))
        .map((path) => `${page} → ${path}`),
    )
    expect(wrong).to.deep.equal([])
  })
})

/** Links that are no addresses, and pictures. */
function linksOf(text: string): string[] {
  return [...text.matchAll(/(?:\]\(|<(?:img|source)[^>]* (?:src|srcset)=")(?![a-z]+:)([^)"\s]+)/g)].map(
    ([, link]) => link as string,
  )
}

function targetOf(page: string, link: string): { path: string; heading: string | undefined } {
  const [file = '', heading] = link.split('#')
  const path = file === '' ? page : normalize(join(dirname(page), file)).replace(/\/$/, '')
  return { path, heading }
}

function isThere(page: string, link: string): boolean {
  const { path, heading } = targetOf(page, link)
  const full = join(HERE, path)
  if (!existsSync(full) || relative(HERE, full).startsWith('..')) return false
  if (heading === undefined) return true
  if (statSync(full).isDirectory()) return false
  const headings = [...readFileSync(full, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    slug(title ?? ''),
  )
  return headings.includes(heading)
}

/** A heading's name in addresses, as GitHub makes it. */
function slug(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** What stands in code: blocks and spans. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```[^\n]*\n([\s\S]*?)^ *```/gm)].map(([, code]) => code as string)
  const rest = text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '')
  return [...blocks, ...[...rest.matchAll(/`([^`]+)`/g)].map(([, code]) => code as string)]
}

/** Each use of the command, with the options that follow it: `['signal', '--event']`. */
function commandsOf(text: string): string[][] {
  return codeOf(text).flatMap((code) =>
    [...code.matchAll(/(?<![\w/.@'"-]|install )file-signal ((?:--\w+ [^\s-]\S* )*)([a-z]+)([^\n#|;]*)/g)].map(
      ([, , name, rest = '']) => [name as string, ...(rest.match(/--[a-z][\w-]*/g) ?? [])],
    ),
  )
}

const helps = new Map<string, string>()

function help(...args: string[]): string {
  const name = args.join(' ')
  const known = helps.get(name)
  if (known !== undefined) return known
  const printed = execFileSync(process.execPath, [CLI, ...args, '--help'], { encoding: 'utf8' })
  helps.set(name, printed)
  return printed
}

function exists([name = '', ...options]: string[]): boolean {
  const isCommand = new RegExp(`^  ${name}[ |]`, 'm').test(help())
  if (!isCommand) return false
  const known = `${help()}\n${help(name)}`
  return options.every((option) => new RegExp(`(^|\\s)${option}[\\s,]`, 'm').test(known))
}

/** The options that a function says it knows, when it is given one that it does not. */
function knownOptions(ask: () => void): string[] {
  try {
    ask()
  } catch (error) {
    return (error as FileSignalError).remedy.replace('known are ', '').split(', ')
  }
  throw new Error('it has taken an option that there is none')
}
