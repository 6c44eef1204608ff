import type { Command } from 'commander'
import { type Check, type CheckStatus, type Diagnosis, type DoctorOptions, doctor } from '../index.js'
import { fail, usageError } from './failure.js'
import { createOutput, type Output } from './output.js'
import { createProgress, type Progress } from './progress.js'

interface Given extends Pick<DoctorOptions, 'root' | 'directory' | 'database'> {
  json?: boolean
  publish?: string | true
  idle?: string
  header?: string[]
  insecure?: boolean
  local: boolean
}

const MARKS: Readonly<Record<CheckStatus, string>> = Object.freeze({
  pass: '✔',
  warn: '!',
  fail: '✖',
  skip: '-',
})
const NAME = 17

/** `doctor [URL]` */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look at this machine, and at the address of a stream: what is wrong, and what to do')
    .argument('[URL]', 'address of a stream, such as https://example.org/orders.sse')
    .option(
      '--publish [key]',
      'publish 6 to 11 events named "doctor", which stay and count in replay (key: file-signal:doctor)',
    )
    .option('--idle <time>', 'watch the open stream for so long, such as 75s: does something cut it?')
    .option('--header <line>', 'a request header, such as "Cookie: session=abc"; may be repeated', collect)
    .option('--insecure', 'go on with a certificate that browsers refuse')
    .option('--no-local', 'look at the address alone')
    .addHelpText(
      'after',
      `\nMarks: ✔ well, ! works with a price, ✖ does not work, - not looked at or not known.\n`,
    )
    .action((url: string | undefined, _options: unknown, command: Command) => run(url, command))
}

/** No instance of its own, unlike the other commands: where even that is impossible, this one has the most to tell. */
async function run(url: string | undefined, command: Command): Promise<void> {
  const given: Given = command.optsWithGlobals()
  const json = given.json ?? false
  const output = createOutput(json)
  const progress = createIdleProgress(json)
  try {
    const printer = json ? null : createPrinter(output)
    const options = toOptions(url, given)
    const diagnosis = await doctor({
      ...options,
      onCheck: (check) => {
        progress.stop()
        printer?.print(check)
      },
      onIdle: progress.show,
    })
    progress.stop()
    await output.print(summary(diagnosis), diagnosis)
    if (!diagnosis.ok) process.exitCode = 1
  } catch (error) {
    fail(error, json)
  } finally {
    progress.stop()
  }
}

function toOptions(argument: string | undefined, given: Given): DoctorOptions {
  const { root, directory, database, idle, insecure, local } = given
  // `--publish URL` is a stream's address that has come to stand where a key may.
  const isSwapped =
    argument === undefined && typeof given.publish === 'string' && /^https?:/.test(given.publish)
  const url = isSwapped ? String(given.publish) : argument
  const publish = isSwapped ? true : given.publish
  return {
    ...(root === undefined ? {} : { root }),
    ...(directory === undefined ? {} : { directory }),
    ...(database === undefined ? {} : { database }),
    ...(url === undefined ? {} : { url }),
    ...(publish === undefined ? {} : { publish }),
    ...(idle === undefined ? {} : { idle }),
    ...(insecure === undefined ? {} : { insecure }),
    headers: toHeaders(given.header ?? []),
    local,
  }
}

/** A line may hold a cookie, so none is repeated in a message. */
function toHeaders(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line, i) => {
      const [, name, value] = /^([^:\s]+):\s*(.*)$/.exec(line) ?? []
      if (name !== undefined && value !== undefined) return [name, value]
      throw usageError(
        `--header number ${i + 1}, of ${line.length} characters, is no header`,
        'write it as "Name: value"',
      )
    }),
  )
}

function createPrinter(output: Output): { print(check: Check): void } {
  let group = ''
  return {
    print: (check) => {
      const heading = check.group === group ? '' : `${group === '' ? '' : '\n'}${check.group}\n`
      group = check.group
      const line = `  ${MARKS[check.status]} ${check.name.padEnd(NAME)} ${check.seen}`
      const remedy = check.remedy === null ? '' : `\n${' '.repeat(NAME + 5)}→ ${check.remedy}`
      void output.print(heading + line + remedy, check)
    },
  }
}

function summary({ counts, ok }: Diagnosis): string {
  const { pass, warn, fail: failed, skip } = counts
  return `\n${ok ? 'no check failed' : `${failed} failed`}: ${pass} well, ${warn} with a price, ${skip} not known`
}

function createIdleProgress(quiet: boolean): { show: NonNullable<DoctorOptions['onIdle']>; stop(): void } {
  let bar: Progress | null = null
  let shown = 0
  return {
    show: ({ elapsed, total, heartbeats }) => {
      bar ??= createProgress('open stream', Math.round(total / 1000), quiet)
      const seconds = Math.round(elapsed / 1000)
      bar.add(seconds - shown)
      shown = seconds
      bar.note(`${seconds} of ${Math.round(total / 1000)} s, ${heartbeats} heartbeats`)
    },
    stop: () => {
      bar?.stop()
      bar = null
      shown = 0
    },
  }
}

function collect(line: string, before: string[] = []): string[] {
  return [...before, line]
}
