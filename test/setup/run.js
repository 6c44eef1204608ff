import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * Runs the tests in two processes side by side: those that mostly start processes and wait for them in one, all else in
 * the other, browsers last, since they mind a busy machine. What the first one prints comes behind the other; the last
 * line counts both.
 *
 * With arguments it is mocha alone: `npm test -- build/stream.test.js -g reset`.
 */
const BESIDE =
  /^(backup|bundlers|callbacks|copies|deploying|deploys|disk|faults|jest|project|publishers-files|publishers-history|store-.*|true-causes)\.test\.js$/
const LAST = /^client-/

const given = process.argv.slice(2)
if (given.length > 0) process.exit((await mocha(given, process.stdout)).code)

const files = readdirSync('build', { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .sort((a, b) => Number(LAST.test(a)) - Number(LAST.test(b)) || (a < b ? -1 : 1))
const isBeside = (file) => BESIDE.test(basename(file))
const paths = (list) => list.map((file) => join('build', file))
const held = []
const [rest, beside] = await Promise.all([
  mocha(paths(files.filter((file) => !isBeside(file))), process.stdout),
  mocha(paths(files.filter(isBeside)), { write: (text) => held.push(text) }),
])
process.stdout.write(held.join(''))
const [passed, failed, skipped] = [0, 1, 2].map((i) => rest.counts[i] + beside.counts[i])
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(rest.code || beside.code)

/** Resolves with how mocha ended, and what its last line counts. */
function mocha(args, out) {
  const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', ...args], {
    stdio: ['inherit', 'pipe', 'pipe'],
  })
  let last = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      out.write(text)
      last = (last + text).slice(-10_000)
    })
  }
  return new Promise((resolve) => {
    child.once('close', (code) => {
      const counted = last.match(/\d+ passed, \d+ failed, \d+ skipped/g)?.at(-1)
      const counts = counted?.match(/\d+/g)?.map(Number) ?? [0, 1, 0]
      resolve({ code: code ?? 1, counts })
    })
  })
}
