import type { Command } from 'commander'
import { createProgress } from './progress.js'
import { run } from './session.js'

/** `prune` */
export function addPrune(program: Command): void {
  program
    .command('prune')
    .description('delete what retention no longer keeps; this also happens by itself')
    .action((_options: unknown, command: Command) =>
      run(command, async ({ events, output, json }) => {
        const progress = createProgress('pruning', null, json)
        try {
          const result = await events.prune(({ deleted }) => progress.note(`${deleted} deleted`))
          progress.stop()
          const text = result.ran ? `${result.deleted} deleted` : 'another process is pruning already'
          await output.print(text, result)
        } finally {
          progress.stop()
        }
      }),
    )
}
