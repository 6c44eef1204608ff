import type { Command } from 'commander'
import type { Event } from '../index.js'
import { run, type Session } from './session.js'

/** `tail KEY... [--after ID]` */
export function addTail(program: Command): void {
  program
    .command('tail')
    .description('print events as they happen, until every key has ended or you press Ctrl-C')
    .argument('<KEY...>', 'what to listen to')
    .option('--after <id>', 'begin with what came after this event')
    .addHelpText('after', '\nA line is: id, key, event name (- for none), payload as JSON.\n')
    .action((keys: string[], options: { after?: string }, command: Command) =>
      run(command, (session) => tail(session, keys, options.after)),
    )
}

async function tail({ events, output }: Session, keys: string[], after: string | undefined): Promise<void> {
  const subscriber = events.subscribe(keys, after === undefined ? {} : { after })
  const leave = () => void subscriber.return()
  // Being told to leave is how this ends, not a failure: exit code 0.
  process.once('SIGINT', leave).once('SIGTERM', leave)
  output.gone.addEventListener('abort', leave, { once: true })
  try {
    for await (const event of subscriber) await output.print(toLine(event), event)
  } finally {
    process.off('SIGINT', leave).off('SIGTERM', leave)
  }
}

function toLine({ id, key, event, payload }: Event): string {
  return `${id} ${key} ${event ?? '-'} ${JSON.stringify(payload)}`
}
