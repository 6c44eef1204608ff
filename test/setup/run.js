import { spawn } from 'node:child_process'

/**
 * Runs the tests in two processes side by side, for most of what they do is to wait: real servers and random faults in
 * one, all else in the other. What the first one prints comes behind the other; the last line counts both.
 *
 * With arguments it is mocha alone: `npm test -- build/stream.test.js -g reset`.
 */
const LONG = [
  'build/servers/**/*.test.js',
  'build/faults.test.js',
  'build/live.test.js',
  'build/doctor*.test.js',
]
const ALL = 'build/**/*.test.js'

const given = process.argv.slice(2)
if (given.length > 0) process.exit((await mocha(given, process.stdout)).code)

const held = []
const parts = [mocha([ALL, ...LONG.flatMap((glob) => ['--ignore', glob])], process.stdout)]
parts.push(mocha(LONG, { write: (text) => held.push(text) }))
const [rest, long] = await Promise.all(parts)
process.stdout.write(held.join(''))
const [passed, failed, skipped] = [0, 1, 2].map((i) => rest.counts[i] + long.counts[i])
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(rest.code || long.code)

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
