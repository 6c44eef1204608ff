import { readFileSync, rmSync, writeFileSync } from 'node:fs'

// Writes what is read as text at run time into modules of dist/embedded, so that it goes wherever a bundler takes the code.
const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
const page = ['page.html', 'page.css', 'page.js']

embed('version', 'VERSION', version)
embed('client', 'CLIENT', readFileSync('dist/client/sse-client.js', 'utf8'))
embed(
  'page',
  'PAGE',
  Object.fromEntries(page.map((name) => [name, readFileSync(`dist/inspector/page/${name}`, 'utf8')])),
)
rmSync('dist/inspector/page', { recursive: true })

function embed(module, name, value) {
  writeFileSync(`dist/embedded/${module}.js`, `export const ${name} = ${JSON.stringify(value)}\n`)
  rmSync(`dist/embedded/${module}.js.map`, { force: true })
}
