import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { build } from 'esbuild'

// The package once more for those who can only require(): Jest, ts-node, loaders before require() of ES modules.
const OUT = 'dist/cjs'

mkdirSync(OUT, { recursive: true })
writeFileSync(join(OUT, 'package.json'), '{"type":"commonjs"}\n')
await build({
  entryPoints: ['dist/index.js'],
  outfile: join(OUT, 'index.js'),
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20.19',
  // Jest knows no import() in CommonJS. chokidar is taken along, for it has ES modules alone.
  supported: { 'dynamic-import': false },
  external: ['bytes', 'ms', 'proper-lockfile', 'proxy-addr'],
  logOverride: { 'empty-import-meta': 'silent' },
  logLevel: 'warning',
  plugins: [
    {
      name: 'the doctor stays outside, with the programs that it starts',
      setup: ({ onResolve }) =>
        onResolve({ filter: /\/doctor\/doctor\.js$/ }, () => ({
          path: '../doctor/doctor.js',
          external: true,
        })),
    },
  ],
})
await build({
  entryPoints: ['dist/client/sse-client.js'],
  outfile: join(OUT, 'client/sse-client.js'),
  format: 'cjs',
  minify: true,
  logLevel: 'warning',
})
copyTypes('dist/index.d.ts')
copyTypes('dist/client/sse-client.d.ts')

/** Copies a declaration file and all that it imports: in a folder of CommonJS they declare CommonJS. */
function copyTypes(entry) {
  const files = new Set([entry])
  for (const file of files) {
    const text = readFileSync(file, 'utf8')
    for (const [, path] of text.matchAll(/(?:from |import\()["'](\.[^"']+)\.js["']/g)) {
      files.add(join(dirname(file), `${path}.d.ts`))
    }
    const copy = join(OUT, relative('dist', file))
    mkdirSync(dirname(copy), { recursive: true })
    copyFileSync(file, copy)
  }
}
