import { expect } from 'chai'
import { createLab, type Lab } from './drivers/lab.js'
import { findBetterSqlite3, findNode, INSTALL, NODE_24 } from './drivers/nodes.js'
import type { Ended } from './support/child.js'
import { skip } from './support/skip.js'

/** With Node's own SQLite nearly everything runs; with better-sqlite3 13 what depends on the driver. */
const STORE = ['guest', 'payload-sqlite', 'publishing', 'store-trouble', 'tailer']
const REST = ['cli-many', 'drivers', 'folders', 'frame', 'koa', 'payload-memory']
const STREAMS = ['delivery', 'short', 'signal-file', 'signal-refused', 'stream', 'transaction']

/** How one of the drivers fared. */
interface Run {
  scenario: Promise<Ended>
  /** One for each run of tests. */
  tests: Promise<Ended[]>
}

describe('on Node 24', function () {
  this.timeout(300_000)

  let withBetterSqlite3: Run
  let withNodeSqlite: Run

  before(function () {
    const [node, betterSqlite3] = [findNode(NODE_24), findBetterSqlite3()]
    if (!node || !betterSqlite3) {
      const why = `Node 24 is not installed for the tests; run: ${INSTALL}`
      if (process.env.CI) throw new Error(why)
      skip(this, why)
    }
    // Two at a time: they mostly wait. More would take from each other what they measure.
    withBetterSqlite3 = begin(createLab(node, betterSqlite3), STORE)
    const lab = createLab(node, null)
    const { scenario, tests } = begin(lab, [...STORE, ...REST])
    const streams = withBetterSqlite3.tests.then(() => lab.test(...STREAMS))
    withNodeSqlite = {
      scenario,
      tests: Promise.all([tests, streams]).then(([some, more]) => [...some, more]),
    }
  })

  it('better-sqlite3 13 carries events from process to process', async () => {
    expect(driverOf(await withBetterSqlite3.scenario)).to.deep.include({
      name: 'better-sqlite3',
      reason: null,
    })
  })

  it('the SQLite inside Node carries events from process to process', async () => {
    const reason = 'better-sqlite3 is not installed'
    expect(driverOf(await withNodeSqlite.scenario)).to.deep.equal({
      name: 'node:sqlite',
      version: NODE_24,
      reason,
    })
  })

  it('better-sqlite3 13 passes the tests of the store', async () => {
    expect(passedIn(await withBetterSqlite3.tests)).to.be.above(100)
  })

  it('the SQLite inside Node passes nearly all tests', async () => {
    expect(passedIn(await withNodeSqlite.tests)).to.be.above(250)
  })
})

/** Runs the scenario in a lab, and then some of the tests. */
function begin(lab: Lab, names: string[]): Run {
  const scenario = lab.run('build/drivers/scenario.js')
  return { scenario, tests: scenario.then(() => lab.test(...names)).then((ended) => [ended]) }
}

function driverOf({ code, stdout, stderr }: Ended): unknown {
  expect({ code, stderr }, stdout).to.deep.equal({ code: 0, stderr: '' })
  return (JSON.parse(stdout) as { driver: unknown }).driver
}

/** How many tests passed; with what the run printed where one did not. */
function passedIn(runs: Ended[]): number {
  let sum = 0
  for (const { code, stdout, stderr } of runs) {
    const [, passed] = /^(\d+) passed, 0 failed/m.exec(stdout) ?? []
    if (code !== 0 || !passed) throw new Error(`${stdout}\n${stderr}`)
    sum += Number(passed)
  }
  return sum
}
