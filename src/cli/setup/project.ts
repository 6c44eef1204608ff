import { readFileSync } from 'node:fs'
import { locate, type Places } from '../../index.js'
import type { GivenPlaces } from '../session.js'
import { fromRoot } from './environment.js'
import { readManifest, type StoredManifest } from './manifest.js'
import { type Detected, detectServer, SERVERS, type Server } from './server.js'
import { type Intent, listWanted, type Wanted } from './wanted.js'
import { findWebFolder } from './web-folder.js'

/** A project as it stands. */
export interface Project {
  readonly places: Places
  readonly stored: StoredManifest | null
}

/** What the command line of init says; null where it says nothing. */
export interface Wish {
  readonly server: Server | null
  readonly web: string | null
  readonly port: number | null
}

/**
 * Finds the project and its manifest. What init was told about places holds on, unless the command line or the
 * environment say otherwise now.
 *
 * Throws ROOT_UNKNOWN, PATH_UNSAFE, SETUP_FAILED and OPTION_INVALID.
 */
export function findProject(given: GivenPlaces): Project {
  const stored = readManifest(locate(given).root.path)
  if (!stored) return { places: locate(given), stored }
  const { env } = process
  const { directory = env.FILE_SIGNAL_DIR ? null : stored.directory } = given
  const { database = env.FILE_SIGNAL_DATABASE ? null : stored.database } = given
  const places = locate({
    ...given,
    ...(directory === null ? {} : { directory }),
    ...(database === null ? {} : { database }),
  })
  return { places, stored }
}

/**
 * What init would make at the places that the command line, the environment, the defaults and the panel's lines
 * name now, for any server. What the manifest remembers of places does not count.
 *
 * Throws OPTION_INVALID for a web folder that is none.
 */
export function listNamed(given: GivenPlaces, web: string | null): Wanted[] {
  const { servers, ...intent } = decide(
    { places: locate(given), stored: null },
    { server: null, web, port: null },
  )
  return listWanted({ ...intent, servers: SERVERS })
}

/**
 * Decides what init is to do: what the command line says, else what it was told before, else what can be
 * found out. Servers add up, for there may be one behind the other.
 *
 * Throws OPTION_INVALID for a web folder that is none.
 */
export function decide({ places, stored }: Project, wish: Wish): Intent & { detected: Detected | null } {
  const root = places.root.path
  const web = findWebFolder(root, wish.web ?? stored?.web ?? null, process.env.HOME)
  const chosen = [...(stored?.servers ?? []), ...(wish.server ? [wish.server] : [])]
  const shown = fromRoot(root, web.htaccess)
  const detected = chosen.length > 0 ? null : detectServer(shown, readText(web.htaccess), process.env)
  const servers = [...new Set(detected ? [detected.server] : chosen)]
  return { places, servers, web, port: wish.port ?? stored?.port ?? null, detected }
}

/** For a look only: what cannot be read is met again, and told, where it is to be changed. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}
