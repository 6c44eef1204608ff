import { basename, dirname, join, parse, relative, sep } from 'node:path'
import { FOLDER_GUARDS, type Places } from '../../index.js'
import { topOf } from './block.js'
import { withPlaces } from './deny.js'
import { environmentBody, fromRoot, placeInEnvironment } from './environment.js'
import { type Packaged, readPackaged } from './packaged.js'
import type { WantedBlock } from './plan-block.js'
import { quoted, RESTARTING, SERVER_SETUPS, type Server } from './server.js'
import type { WebFolder } from './web-folder.js'

/** What init was asked for, all of it decided. */
export interface Intent {
  readonly places: Places
  readonly servers: readonly Server[]
  readonly web: WebFolder
  readonly port: number | null
}

/** Something that is to stand on the disk. Paths are absolute; rights count where it is created. */
export type Wanted =
  /** `guards`: small files that a folder of our making gets. */
  | { kind: 'folder'; path: string; mode: number; mayBeLink: boolean; guards: Guards | null }
  | { kind: 'file'; path: string; mode: number; text: string; from: Packaged }
  | ({ kind: 'block' } & WantedBlock)

type Guards = Readonly<Record<string, string>>

/** Only the app's own user looks into these. */
const PRIVATE_FOLDER = 0o700
const PRIVATE_FILE = 0o600
/** The web server is another user on many hosts. */
const SERVED_FOLDER = 0o755
const SERVED_FILE = 0o644

/** What the server files name in the package, and `--port` changes. */
const APP = '127.0.0.1:3000'

/** All that init wants, folders before what lies in them. Throws SETUP_FAILED for a path that `.env` cannot hold. */
export function listWanted(intent: Intent): Wanted[] {
  const { places, servers, web } = intent
  const root = places.root.path
  const site = dirname(web.htaccess)
  const setups = servers.map((server) => SERVER_SETUPS[server])
  const wanted: Wanted[] = [
    ...guardedFolder(root, places.directory),
    ...guardedFolder(root, dirname(places.database)),
    ...copyOf(
      'dist/client/sse-client.js',
      join(web.path, 'js', 'sse-client.js'),
      web.isCertain ? web.path : root,
    ),
    ...setups.flatMap(({ copies }) =>
      copies.flatMap(([from, to]) => copyOf(from, join(root, to), root, (text) => forSite(text, intent))),
    ),
    {
      kind: 'block',
      path: join(root, '.env'),
      mode: PRIVATE_FILE,
      body: (around) => environmentBody(places, around),
      place: placeInEnvironment,
      isSecret: true,
    },
    ...(setups.some(({ htaccess }) => htaccess) ? [htaccessBlock(intent)] : []),
    // Its block names it by an address, and an .htaccess stands where the addresses begin.
    ...(passesOn(intent) ? copyOf(RESTARTING, join(site, basename(RESTARTING)), site) : []),
  ]
  // Folders may lie in one another, and the two of the app may be one.
  return [...new Map(wanted.map((one) => [`${one.kind}:${one.path}`, one])).values()]
}

/** A file of the package, and the folders under `base` that lead to it. */
function copyOf(
  from: Packaged,
  path: string,
  base: string,
  adapt: (text: string) => string = (text) => text,
): Wanted[] {
  const text = adapt(readPackaged(from))
  return [
    ...foldersTo(base, dirname(path), SERVED_FOLDER, false),
    { kind: 'file', path, mode: SERVED_FILE, text, from },
  ]
}

function htaccessBlock(intent: Intent): Wanted {
  const { web } = intent
  const parts: Packaged[] = [
    ...(passesOn(intent) ? (['apache/proxy.htaccess'] as const) : []),
    'apache/.htaccess',
  ]
  const texts = parts.map((from) => `# From ${from} of file-signal.\n${withoutHeader(readPackaged(from))}`)
  const body = forSite(texts.join('\n'), intent)
  const rest = { body: () => body, place: topOf, isSecret: false }
  return { kind: 'block', path: web.htaccess, mode: SERVED_FILE, ...rest }
}

/** Whether `.htaccess` hands streams on to a port by itself. */
function passesOn({ port, servers }: Intent): boolean {
  return port !== null && servers.includes('apache')
}

/** The head of such a file tells how to copy it by hand. */
function withoutHeader(text: string): string {
  return text.replace(/^(#.*\n)+\n/, '')
}

/** With the port of the app, and what is not to be served. */
function forSite(text: string, { places, web, port }: Intent): string {
  const denying = withPlaces(text, places, web.path)
  const placed = denying.replace(`"/path/to/${RESTARTING}"`, () => quoted(join(places.root.path, RESTARTING)))
  return port === null ? placed : placed.replaceAll(APP, `127.0.0.1:${port}`)
}

/** A folder for the app alone. Deploy tools link `tmp` and `data`, so those above it may be links. */
function guardedFolder(root: string, path: string): Wanted[] {
  const isInside = fromRoot(root, path) !== path
  const above = foldersTo(isInside ? root : parse(path).root, dirname(path), PRIVATE_FOLDER, true)
  return [...above, { kind: 'folder', path, mode: PRIVATE_FOLDER, mayBeLink: false, guards: FOLDER_GUARDS }]
}

/** The folders below `base`, down to `path`. */
function foldersTo(base: string, path: string, mode: number, mayBeLink: boolean): Wanted[] {
  const names = relative(base, path).split(sep).filter(Boolean)
  return names.map((_, i) => {
    return { kind: 'folder', path: join(base, ...names.slice(0, i + 1)), mode, mayBeLink, guards: null }
  })
}
