import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { startExample } from './setup/example.js'

const HERE = fileURLToPath(new URL('../', import.meta.url))
const EXAMPLES = join(HERE, 'examples')
const readme = readFileSync(join(HERE, 'README.md'), 'utf8')

const has = (name: string, file: string) => existsSync(join(EXAMPLES, name, file))
const names = readdirSync(EXAMPLES)

/** Those with a package.json are projects to be copied; tests of their own install and run them. */
const runnable = names.filter(
  (name) => has(name, 'server.js') && has(name, 'index.html') && !has(name, 'package.json'),
)

/** Whatever lies in the repository and is not in git, ignored or not. */
function untracked(): string {
  return execFileSync(
    'git',
    ['status', '--porcelain', '--ignored', '--untracked-files=all', 'examples', 'data', 'tmp'],
    {
      cwd: HERE,
      encoding: 'utf8',
    },
  )
}

describe('the examples', () => {
  it('are all in the list of the README', () => {
    const [, list = ''] = readme.split('\n## Examples\n')
    const linked = [...(list.split('\n## ')[0]?.matchAll(/\]\(examples\/([\w-]+)/g) ?? [])].map(
      ([, name]) => name,
    )
    expect(linked.sort()).to.deep.equal(names.sort())
  })

  for (const name of runnable) {
    describe(name, () => {
      it('starts, serves its page, ends with 0, and leaves nothing in the repository', async () => {
        const before = untracked()
        const example = await startExample(name)
        try {
          const answer = await fetch(example.address, { headers: { Connection: 'close' } })
          expect(answer.status).to.equal(200)
          expect(answer.headers.get('content-type')).to.match(/^text\/html/)
          expect(await answer.text()).to.match(/<!doctype html>/i)
        } finally {
          expect(await example.stop()).to.equal(0)
        }
        expect(untracked()).to.equal(before)
      })

      it('has a page for phones, for light and for dark', () => {
        const files = readdirSync(join(EXAMPLES, name)).filter((file) => /\.(html|css)$/.test(file))
        const text = files.map((file) => readFileSync(join(EXAMPLES, name, file), 'utf8')).join('\n')
        expect(text).to.match(/<meta name="viewport" content="[^"]*width=device-width/)
        // Only the root's colors the page: on body it changes buttons, and the page stays white.
        expect(text).to.match(/<meta name="color-scheme"|:root \{[^}]*color-scheme/)
      })
    })
  }
})
