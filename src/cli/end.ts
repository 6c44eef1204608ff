import type { Command } from 'commander'
import { run } from './session.js'

/** `end KEY` */
export function addEnd(program: Command): void {
  program
    .command('end')
    .description('end a key: its streams close, until it is signalled again')
    .argument('<KEY>', 'what browsers listen to')
    .action((key: string, _options: unknown, command: Command) =>
      run(command, async ({ events, output }) => {
        const receipt = await events.end(key)
        await output.print(receipt.id, receipt)
      }),
    )
}
