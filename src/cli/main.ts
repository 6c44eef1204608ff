#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addDoctor } from './doctor.js'
import { addEnd } from './end.js'
import { EXIT_HELP, fail, usageError } from './failure.js'
import { addInit } from './init.js'
import { addPrune } from './prune.js'
import { readSettings } from './settings.js'
import { addSignal } from './signal.js'
import { addStats } from './stats.js'
import { addTail } from './tail.js'
import { addUninstall } from './uninstall.js'

const program = new Command('file-signal')
  .description('Signals browsers from the shell: publish events, watch them, look after the store.')
  .version(readVersion())
  .option('--root <folder>', 'the project root (default: found as the library finds it)')
  .option('--directory <folder>', 'folder of the signal file, relative to the root')
  .option('--database <file>', 'the store, relative to the root')
  .option('--json', 'print JSON, errors too')
  .addHelpText('after', EXIT_HELP)
  .exitOverride()
  // An error is one line of our own making.
  .configureOutput({ outputError: () => {} })

// A reader that left is no error; what cannot be printed (a full disk) is told, and was done all the same.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') fail(error, process.argv.includes('--json'))
})
process.stderr.on('error', () => {})

for (const add of [addSignal, addTail, addEnd, addStats, addPrune, addDoctor, addInit, addUninstall])
  add(program)

// Those two write what the others read, also where it is of another place: in a copy of the project.
program.hook('preAction', (_, command) => {
  if (!['init', 'uninstall'].includes(command.name())) readSettings(command.optsWithGlobals())
})

program.parseAsync().catch((error: unknown) => {
  if (!(error instanceof CommanderError)) return fail(error, process.argv.includes('--json'))
  // Help and version that were asked for end here too, with 0; help instead of a command is bad usage.
  if (error.exitCode === 0) return
  if (error.code === 'commander.help') process.exitCode = 2
  else fail(usageError(error.message.replace(/^error: /, '')), process.argv.includes('--json'))
})

function readVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  const { version }: { version: string } = JSON.parse(text)
  return version
}
