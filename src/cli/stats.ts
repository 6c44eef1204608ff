import type { Command } from 'commander'
import { run } from './session.js'

/** `stats` */
export function addStats(program: Command): void {
  program
    .command('stats')
    .description('tell where the store is, which rule found it, and what it holds')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ events, output }) => {
        const stats = await events.stats()
        // No stream ever runs in this process, which ends at once: a page of zeros would only hide the rest.
        const { process: _, streams: __, latency: ___, ...shown } = stats
        await output.print(toTable(flatten(shown)), stats)
      }),
    )
}

/** `{ store: { rows: 3 } }` becomes `['store.rows', 3]`. */
function flatten(value: object, prefix = ''): [name: string, value: unknown][] {
  return Object.entries(value).flatMap(([name, part]: [string, unknown]) =>
    typeof part === 'object' && part !== null
      ? flatten(part, `${prefix}${name}.`)
      : [[`${prefix}${name}`, part] satisfies [string, unknown]],
  )
}

function toTable(rows: readonly [name: string, value: unknown][]): string {
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value ?? '-'}`).join('\n')
}
