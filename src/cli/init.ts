import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { run, type Session } from './session.js'
import { carryOut, type Leave } from './setup/carry-out.js'
import { fromRoot } from './setup/environment.js'
import { nextSteps } from './setup/next-steps.js'
import { ownerOfNew } from './setup/owner.js'
import { packageVersion } from './setup/packaged.js'
import { planInit } from './setup/plan-init.js'
import { decide, findProject, listNamed, type Wish } from './setup/project.js'
import { assertWithinReach } from './setup/reach.js'
import { SERVERS, type Server } from './setup/server.js'
import { listWanted } from './setup/wanted.js'

interface Options extends Leave {
  server?: Server
  web?: string
  port?: number
}

const HELP = `
Makes the folders of the signal file and of the store, a block in .env that says where they are,
js/sse-client.js for browsers, and what the web server needs: a block in .htaccess, or a file to include.

It asks before it changes anything, and a second run changes nothing. What it made is listed in
.file-signal.json; "file-signal uninstall" takes it back.
`

/** `init` */
export function addInit(program: Command): void {
  program
    .command('init')
    .description('set up a project: folders, .env, browser file, and what its web server needs')
    .addOption(new Option('--server <name>', 'what stands in front of the app').choices(SERVERS))
    .option('--web <folder>', 'what the web server answers from (default: public, or as the panel says)')
    .option('--port <number>', 'where the app listens, for the server files (default: 3000)', parsePort)
    .option('--yes', 'ask nothing')
    .option('--dry-run', 'show what would change, as a diff, and change nothing')
    .addHelpText('after', HELP)
    .action((options: Options, command: Command) => run(command, (session) => init(session, options)))
}

async function init(session: Session, options: Options): Promise<void> {
  const { given, output } = session
  const wish: Wish = { server: options.server ?? null, web: options.web ?? null, port: options.port ?? null }
  const version = packageVersion()
  const { places, servers, detected } = decide(findProject(given), wish)
  const { path: root, rule } = places.root
  await output.print(`root       ${root}  (${rule})`, { root, rule })
  const why = detected ? detected.why : 'as it was given'
  const known = servers.length > 0 ? `${servers.join(', ')}  (${why})` : UNKNOWN_SERVER
  const owner = ownerOfNew(root)
  if (owner) {
    const note = `you are root, and the project belongs to user ${owner.uid}, who gets what is new`
    await output.print(`note       ${note}`, { note })
  }
  await output.print(`server     ${known}`, { servers, why: servers.length > 0 ? why : UNKNOWN_SERVER })

  const isDone = await carryOut(session, options, (declined) => {
    const project = findProject(given)
    const intent = decide(project, wish)
    const settings = {
      servers: intent.servers,
      web: intent.web.isCertain ? fromRoot(root, intent.web.path) : null,
      port: intent.port,
      directory: fromRoot(root, places.directory),
      database: fromRoot(root, places.database),
    }
    const wanted = listWanted(intent)
    const touched = wanted.filter(({ kind, path }) => kind !== 'folder' || !existsSync(path))
    const paths = touched.map(({ path }) => path)
    // Root gives away what it makes: the manifest, which is that user's, must not choose where.
    if (owner) assertWithinReach(root, paths, listNamed(given, wish.web))
    return planInit({ root, wanted, stored: project.stored, settings, version, declined })
  })
  if (!isDone) return
  const next = nextSteps(root, servers)
  await output.print(['\nNext:', ...next.map((line, i) => `  ${i + 1}. ${line}`)].join('\n'), { next })
}

const UNKNOWN_SERVER =
  'not known: most need nothing but the headers that the app sends; for the others add --server nginx, apache, litespeed or passenger'

function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port
  throw new InvalidArgumentError('It is a whole number from 1 to 65535.')
}
