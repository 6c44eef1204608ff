import type { Command } from 'commander'
import { run, type Session } from './session.js'
import { carryOut, type Leave } from './setup/carry-out.js'
import { manifestPath } from './setup/manifest.js'
import { leftoverOf } from './setup/part.js'
import { planUninstall } from './setup/plan-uninstall.js'
import { findProject, listNamed } from './setup/project.js'

interface Options extends Leave {
  data?: boolean
  web?: string
}

const HELP = `
Takes back what "file-signal init" has made and nobody has edited since. The store with its events stays, unless
--data is given; stop the app before that.

What init was told to make outside the root is to be named again, with --web, --directory or --database.
`

/** `uninstall` */
export function addUninstall(program: Command): void {
  program
    .command('uninstall')
    .description('take back what init has made')
    .option('--data', 'delete the store with its events too')
    .option('--web <folder>', 'what the web server answers from, where init was given one outside the root')
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'show what would change, as a diff, and change nothing')
    .addHelpText('after', HELP)
    .action((options: Options, command: Command) => run(command, (session) => uninstall(session, options)))
}

async function uninstall(session: Session, options: Options): Promise<void> {
  const { given, output } = session
  const { places, stored } = findProject(given)
  const root = places.root.path
  await output.print(`root       ${root}  (${places.root.rule})`, { root, rule: places.root.rule })
  if (!stored) {
    const about = 'there is no .file-signal.json: nothing is known that could be taken back'
    await output.print(about, { about })
  }
  await carryOut(session, options, (declined) => {
    const project = findProject(given)
    // An init that was killed right at its beginning has left no more than this.
    if (!project.stored) return { root, steps: leftoverOf(manifestPath(root)) }
    return planUninstall({
      ...project,
      root,
      stored: project.stored,
      named: listNamed(given, options.web ?? null),
      withData: options.data === true,
      declined,
    })
  })
}
