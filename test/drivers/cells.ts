import { rmSync } from 'node:fs'
import type { DriverStats } from 'file-signal'
import type { Ended } from '../support/child.js'
import { createLab, type Lab } from './lab.js'
import {
  BETTER_SQLITE3_12,
  BETTER_SQLITE3_13,
  buildBetterSqlite3,
  installBetterSqlite3,
  installNode,
  installWithoutBinary,
} from './nodes.js'

/** What may lie in node_modules/better-sqlite3. */
export const SETUPS = ['13', '12', '12 of another Node', '12 without scripts', 'none'] as const
export type Setup = (typeof SETUPS)[number]

/** What a cell must come to: better-sqlite3, Node's own SQLite, or SQLITE_MISSING with a remedy. */
export type Outcome = 'better-sqlite3' | 'node:sqlite' | 'SQLITE_MISSING'

export interface Cell {
  readonly node: string
  readonly setup: Setup
  readonly outcome: Outcome
}

const better = 'better-sqlite3'
const builtIn = 'node:sqlite'
const missing = 'SQLITE_MISSING'

/** Written down by hand, from what each version is known to do: the code under test decides nothing here. */
const OUTCOMES: Readonly<Record<string, readonly Outcome[]>> = Object.freeze({
  '20.19.6': [missing, better, missing, missing, missing],
  '20.20.2': [missing, better, missing, missing, missing],
  '22.12.0': [missing, better, missing, missing, missing],
  '22.13.1': [builtIn, better, builtIn, builtIn, builtIn],
  '22.22.3': [better, better, builtIn, builtIn, builtIn],
  '24.21.0': [better, builtIn, builtIn, builtIn, builtIn],
  '26.10.0': [better, better, builtIn, builtIn, builtIn],
})

/**
 * What happens where better-sqlite3 is loaded without a look: 13 dies on an old Node-API, and 12 that was built
 * with Node 24.19 or later dies when it is collected.
 */
const CRASHES: readonly { setup: Setup; nodes: readonly string[]; script: string; signal: string }[] = [
  {
    setup: '13',
    nodes: ['20.19.6', '20.20.2', '22.12.0', '22.13.1'],
    script: `new (require('better-sqlite3'))(':memory:')`,
    signal: 'SIGSEGV',
  },
  {
    setup: '12',
    nodes: ['24.21.0'],
    script: `new (require('better-sqlite3'))(':memory:').close()
      void (async () => { for (let i = 0; i < 1e6; i += 1) await { i } })()`,
    signal: 'SIGABRT',
  },
]

/** The tests that each driver passes on each Node, beside the scenario. */
const CONTRACT = ['payload-sqlite', 'publishing', 'store-trouble', 'tailer']

export function cellsOf(node: string): Cell[] {
  return SETUPS.map((setup, i) => ({ node, setup, outcome: OUTCOMES[node]?.[i] as Outcome }))
}

/** Runs one cell; returns what to print of it. Throws an Error that tells what went wrong. */
export async function runCell(cell: Cell, withContract: boolean): Promise<string> {
  const lab = createLab(installNode(cell.node), install(cell))
  try {
    const crash = await crashCarelessly(cell, lab)
    const found = await runScenario(lab)
    check(cell, found)
    if (found.error) return `${missing}${crash}`
    const tests = withContract ? await runContract(lab) : ''
    return `${found.driver?.name}${tests}${crash}`
  } finally {
    rmSync(lab.root, { recursive: true, force: true })
  }
}

function install({ node, setup }: Cell): string | null {
  switch (setup) {
    case '13':
      return installBetterSqlite3()
    case '12':
      return buildBetterSqlite3(installNode(node))
    case '12 of another Node':
      return buildBetterSqlite3(installNode(node.startsWith('24') ? '22.22.3' : '24.21.0'))
    case '12 without scripts':
      return installWithoutBinary()
    case 'none':
      return null
  }
}

interface Found {
  driver?: DriverStats
  error?: string
}

async function runScenario(lab: Lab): Promise<Found> {
  const ended = await lab.run('build/drivers/scenario.js')
  // Node's own warning would show here: it is nobody's choice, and cron sends it as mail.
  if (ended.code !== 0 || ended.stderr !== '') throw new Error(`the scenario failed: ${tell(ended)}`)
  return JSON.parse(ended.stdout) as Found
}

function check({ node, setup, outcome }: Cell, { driver, error }: Found): void {
  const told = error ?? `${driver?.name} ${driver?.version} (${driver?.reason})`
  const fail = (wanted: string): never => {
    throw new Error(`wanted ${wanted}, got ${told}`)
  }
  if (outcome === missing) {
    if (!/^SQLITE_MISSING: .*(npm install better-sqlite3@12|npm rebuild better-sqlite3)/.test(told)) {
      fail('SQLITE_MISSING and its remedy')
    }
    return
  }
  const version = outcome === builtIn ? node : setup.startsWith('13') ? BETTER_SQLITE3_13 : BETTER_SQLITE3_12
  if (driver?.name !== outcome || driver.version !== version) fail(`${outcome} ${version}`)
  if ((driver?.reason === null) !== (outcome === better)) fail('a reason beside the second choice alone')
}

async function crashCarelessly({ node, setup }: Cell, lab: Lab): Promise<string> {
  const crash = CRASHES.find((one) => one.setup === setup && one.nodes.includes(node))
  if (!crash) return ''
  const ended = await lab.run('-e', crash.script)
  if (ended.signal !== crash.signal) throw new Error(`loaded without a look it lived on: ${tell(ended)}`)
  return `, careless ${crash.signal}`
}

async function runContract(lab: Lab): Promise<string> {
  const ended = await lab.test(...CONTRACT)
  const [, passed] = /^(\d+) passed, 0 failed/m.exec(ended.stdout) ?? []
  if (ended.code !== 0 || !passed) throw new Error(`the tests failed: ${tell(ended)}`)
  return `, ${passed} tests`
}

function tell({ code, signal, stdout, stderr }: Ended): string {
  return `exit ${code ?? signal}\n${stdout}\n${stderr}`
}
