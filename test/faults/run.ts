import { parseArgs } from 'node:util'
import { kindsOf } from './plan.js'
import { runFaults } from './run-faults.js'
import { story } from './story.js'

/** npm run faults -- [--seed N] [--minutes M] [--only KINDS] [--without KINDS] [--quiet]: see README.md beside this. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
    without: { type: 'string', default: '' },
    quiet: { type: 'boolean', default: false },
  },
})
const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed)
const minutes = Number(values.minutes)
if (!Number.isInteger(seed) || !(minutes > 0))
  throw new Error('--seed wants a whole number, --minutes one above 0')
const words = (text: string) => text.split(',').filter(Boolean)

console.log(`seed ${seed}, ${minutes} min`)
// Interrupted, what was mounted and started goes as well.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
const outcome = await runFaults({
  seed,
  ms: minutes * 60_000,
  faults: kindsOf(words(values.only), words(values.without)),
  ...(values.quiet ? {} : { onLine: console.log }),
})
console.log(story(outcome).join('\n'))
console.log(`seed ${seed}`)
process.exit(outcome.violations.length === 0 ? 0 : 1)
