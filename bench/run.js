// npm run bench -- [--quick] [--json] [--rounds N] [--only paced|burst|publish|idle|replay|hydrate|mailbox|inspector|prune]
import { parseArgs } from 'node:util'
import { measureBurst } from './burst.js'
import { measureHydrate } from './hydrate.js'
import { measureIdle } from './idle.js'
import { measureInspector } from './inspector.js'
import { measureMailbox } from './mailbox.js'
import { measurePaced } from './paced.js'
import { measurePruning } from './prune.js'
import { measurePublishing } from './publish.js'
import { measureReplay } from './replay.js'
import { describeMachine, format } from './table.js'

const MEASUREMENTS = {
  paced: measurePaced,
  burst: measureBurst,
  publish: measurePublishing,
  idle: measureIdle,
  replay: measureReplay,
  hydrate: measureHydrate,
  mailbox: measureMailbox,
  inspector: measureInspector,
  prune: measurePruning,
}

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    only: { type: 'string', multiple: true, default: Object.keys(MEASUREMENTS) },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 1 : 5))
const unknown = options.only.find((name) => !(name in MEASUREMENTS))
if (unknown || !(rounds >= 1)) {
  console.error(
    `usage: npm run bench -- [--quick] [--json] [--rounds N] [--only ${Object.keys(MEASUREMENTS).join('|')}]`,
  )
  process.exit(2)
}

const machine = describeMachine()
if (!options.json) {
  console.log(
    `Node ${machine.node}, ${machine.platform}, ${machine.cpu}, ${machine.cores} cores; medians of ${rounds} rounds\n`,
  )
}
const results = []
for (const name of options.only) {
  // Who begins changes from round to round, so that a machine that warms up or slows down favours nobody.
  const turns = (names, round) => (round % 2 ? names.toReversed() : names)
  const result = await MEASUREMENTS[name]({ quick: options.quick, rounds, turns })
  results.push({ name, ...result })
  if (!options.json) console.log(format(result))
}
const missed = results.flatMap(({ lines }) => lines).filter(({ pass }) => pass === false)
if (options.json) console.log(JSON.stringify({ ...machine, rounds, results }, null, 2))
else
  console.log(
    missed.length === 0 ? 'Every target reached.' : `Missed: ${missed.map(({ what }) => what).join('; ')}.`,
  )
