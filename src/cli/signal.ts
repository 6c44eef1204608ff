import type { Command } from 'commander'
import type { SignalOptions } from '../index.js'
import { usageError } from './failure.js'
import { parseJson, readAll } from './input.js'
import { run, type Session } from './session.js'
import { signalMany } from './signal-many.js'

interface Options {
  event?: string
  dedupe?: string
  many?: boolean
}

const HELP = `
Examples:
  file-signal signal orders '{"id":42}'
  make-report | file-signal signal report -          the JSON comes from stdin
  file-signal signal --many < events.jsonl           {"key":"orders","payload":{"id":42}} on each line
  file-signal signal orders --many < payloads.jsonl  KEY for the lines that have none
`

/** `signal KEY [JSON|-]`, and `signal [KEY] --many`. */
export function addSignal(program: Command): void {
  program
    .command('signal')
    .description('publish an event, or with --many one for each line of stdin')
    .argument('[KEY]', 'what browsers listen to')
    .argument('[JSON]', 'the payload; "-" reads it from stdin, without one null is stored')
    .option('--event <name>', 'SSE event name')
    .option('--dedupe <id>', 'store one event however often this is run with the same id')
    .option('--many', 'read JSON lines {key?, payload, event?, dedupe?} from stdin')
    .addHelpText('after', HELP)
    .action((key: string | undefined, json: string | undefined, options: Options, command: Command) =>
      run(command, (session) =>
        options.many ? many(session, key, json, options) : one(session, key, json, options),
      ),
    )
}

async function one(
  { events, output }: Session,
  key: string | undefined,
  json: string | undefined,
  { event, dedupe }: Options,
): Promise<void> {
  if (key === undefined) throw usageError('signal needs a KEY')
  const payload = await readPayload(json)
  const options: SignalOptions = {
    ...(event === undefined ? {} : { event }),
    ...(dedupe === undefined ? {} : { dedupe }),
  }
  const receipt = await events.signal(key, payload, options)
  await output.print(receipt.id, receipt)
}

async function readPayload(json: string | undefined): Promise<unknown> {
  if (json === undefined) return null
  return json === '-' ? parseJson(await readAll(process.stdin), 'stdin') : parseJson(json, 'the payload')
}

async function many(
  session: Session,
  key: string | undefined,
  json: string | undefined,
  { event, dedupe }: Options,
): Promise<void> {
  if (json !== undefined) throw usageError('signal --many takes its payloads from stdin')
  if (dedupe !== undefined) throw usageError('signal --many takes no --dedupe', 'put it into each line')
  await signalMany(session, {
    ...(key === undefined ? {} : { key }),
    ...(event === undefined ? {} : { event }),
  })
}
