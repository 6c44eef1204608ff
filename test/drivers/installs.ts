import { join } from 'node:path'
import { install } from './cache.js'
import type { Outcome } from './cells.js'
import { BETTER_SQLITE3_12, BETTER_SQLITE3_13, installNode } from './nodes.js'
import { createProject, type Project, pack } from './project.js'

/** What `npm install file-signal` must bring: which better-sqlite3 npm chooses, and the driver that comes of it. */
interface Expected {
  readonly node: string
  /** The npm that this Node brings along, and one that is newer. */
  readonly npm: string
  readonly chosen: string
  readonly withScripts: Outcome
  readonly withoutScripts: Outcome
}

const better = 'better-sqlite3'
const builtIn = 'node:sqlite'
const missing = 'SQLITE_MISSING'

const EXPECTED: readonly Expected[] = [
  row('20.19.6', '10.8.2', BETTER_SQLITE3_12, better, missing),
  row('20.20.2', '10.8.2', BETTER_SQLITE3_12, better, missing),
  row('22.12.0', '10.9.0', BETTER_SQLITE3_13, missing, missing),
  row('22.13.1', '10.9.2', BETTER_SQLITE3_13, builtIn, builtIn),
  row('22.22.3', '10.9.8', BETTER_SQLITE3_13, better, better),
  row('24.21.0', '11.19.0', BETTER_SQLITE3_13, better, better),
  row('26.10.0', '11.19.1', BETTER_SQLITE3_13, better, better),
  row('26.10.0', '12.2.0', BETTER_SQLITE3_13, better, better),
]

function row(
  node: string,
  npm: string,
  chosen: string,
  withScripts: Outcome,
  withoutScripts: Outcome,
): Expected {
  return { node, npm, chosen, withScripts, withoutScripts }
}

/** Installs the packed package on each Node with its own npm; returns a table, and how many rows failed. */
export function tryInstalls(nodes: readonly string[]): { table: string[][]; failures: number } {
  const tarball = pack()
  const table = [['Node', 'npm', 'chooses', 'with install scripts', 'without']]
  let failures = 0
  for (const expected of EXPECTED.filter(({ node }) => nodes.includes(node))) {
    const { node, npm, chosen, withScripts, withoutScripts } = expected
    try {
      const cells = [
        tryInstall(expected, tarball, true, withScripts),
        tryInstall(expected, tarball, false, withoutScripts),
      ]
      table.push([node, npm, chosen, ...cells])
    } catch (error) {
      failures += 1
      console.error(`Node ${node} with npm ${npm}: FAILED, ${(error as Error).message}`)
      table.push([node, npm, chosen, 'FAILED'])
    }
  }
  return { table, failures }
}

function tryInstall(
  { node, npm, chosen }: Expected,
  tarball: string,
  scripts: boolean,
  outcome: Outcome,
): string {
  const cli = join(install(`npm@${npm}`), 'node_modules/npm/bin/npm-cli.js')
  const project = createProject({ node: installNode(node), npm: cli, scripts })
  installInto(project, tarball)
  if (project.betterSqlite3() !== chosen) throw new Error(`npm chose ${project.betterSqlite3()}`)
  expectPublished(project, outcome)
  if (outcome !== missing || !scripts) return outcome
  // The remedy, as the message gives it.
  installInto(project, 'better-sqlite3@12')
  expectPublished(project, better)
  return `${missing}; after its remedy ${better}`
}

function installInto(project: Project, spec: string): void {
  const { status, stdout, stderr } = project.install(spec)
  if (status !== 0) throw new Error(`npm install ${spec}: ${stdout}${stderr}`)
}

function expectPublished(project: Project, outcome: Outcome): void {
  for (const { stdout, stderr } of project.publish()) {
    if (!stdout.startsWith(outcome) || stderr) throw new Error(`wanted ${outcome}, got ${stdout}${stderr}`)
    if (outcome === missing && !/run: npm (install|rebuild) better-sqlite3/.test(stdout)) {
      throw new Error(`no remedy in: ${stdout}`)
    }
  }
}
