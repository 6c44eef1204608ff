import { type Cell, cellsOf, runCell, SETUPS } from './cells.js'
import { tryInstalls } from './installs.js'
import {
  buildBetterSqlite3,
  installBetterSqlite3,
  installNode,
  installWithoutBinary,
  NODES,
} from './nodes.js'

/** Tries every SQLite driver on every version of Node, and prints a table: npm run test:drivers [-- NODE...]. */
const args = process.argv.slice(2)
await runAll(NODES.filter((node) => args.length === 0 || args.some((arg) => node.startsWith(arg))))

async function runAll(nodes: readonly string[]): Promise<void> {
  prepare(nodes)
  const cells = nodes.flatMap(cellsOf)
  const results = new Map<Cell, string>()
  const tested = new Set<string>()
  const waiting = cells.values()
  let failures = 0

  async function work(): Promise<void> {
    for (const cell of waiting) {
      // The contract once for each driver and Node: what led to the driver makes no difference to it.
      const pair = `${cell.node} ${cell.outcome === 'better-sqlite3' ? cell.setup : cell.outcome}`
      const isFirst = !tested.has(pair)
      tested.add(pair)
      try {
        const result = await runCell(cell, isFirst)
        results.set(cell, result)
        console.log(`Node ${cell.node}, better-sqlite3 ${cell.setup}: ${result}`)
      } catch (error) {
        failures += 1
        results.set(cell, 'FAILED')
        console.error(`Node ${cell.node}, better-sqlite3 ${cell.setup}: FAILED, ${(error as Error).message}`)
      }
    }
  }

  await Promise.all([work(), work()])
  console.log('\nWhat npm install brings on each Node, with its own npm:')
  const installs = tryInstalls(nodes)
  failures += installs.failures
  const tried = cells.length + installs.table.length - 1
  console.log(`\n${table(matrix(nodes, cells, results))}\n\n${table(installs.table)}\n`)
  console.log(`${tried - failures} passed, ${failures} failed`)
  process.exitCode = failures > 0 ? 1 : 0
}

/** One at a time, so that cells never compile beside one another. */
function prepare(nodes: readonly string[]): void {
  console.log('Fetching Node and better-sqlite3; version 12 is compiled once per ABI, a minute each.')
  installBetterSqlite3()
  installWithoutBinary()
  for (const node of ['22.22.3', '24.21.0', ...nodes]) {
    const begin = performance.now()
    buildBetterSqlite3(installNode(node))
    const seconds = (performance.now() - begin) / 1000
    if (seconds > 5) console.log(`Node ${node} and better-sqlite3 12 for it: ${seconds.toFixed(0)} s`)
  }
}

function matrix(
  nodes: readonly string[],
  cells: readonly Cell[],
  results: ReadonlyMap<Cell, string>,
): string[][] {
  return [
    ['Node', ...SETUPS.map((setup) => `better-sqlite3 ${setup}`)],
    ...nodes.map((node) => [
      node,
      ...cells.filter((cell) => cell.node === node).map((cell) => results.get(cell) ?? ''),
    ]),
  ]
}

function table(rows: readonly string[][]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  const line = (row: string[]): string => row.map((text, i) => text.padEnd(widths[i] ?? 0)).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}
