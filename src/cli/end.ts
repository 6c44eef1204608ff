import type { Command } from 'commander'
import { run } from './session.js'

/** `end KEY [--reason TEXT]` */
export function addEnd(program: Command): void {
  program
    .command('end')
    .description('end a key: its streams close, until it is signalled again')
    .argument('<KEY>', 'what browsers listen to')
    .option('--reason <text>', 'why it ends otherwise than well; browsers get it in an "end" event')
    .action((key: string, options: { reason?: string }, command: Command) =>
      run(command, async ({ events, output }) => {
        const receipt = await events.end(key, options.reason === undefined ? {} : { reason: options.reason })
        await output.print(receipt.id, receipt)
      }),
    )
}
