import { readFileSync } from 'node:fs'
import { dirname, join, resolve, sep } from 'node:path'
import { parseEnv } from 'node:util'
import { attempt } from './attempt.js'
import { linksTo } from './deploy-links.js'
import { ENVIRONMENT } from './options.js'
import { isInside, namedAbove, type Root, real, runningProject } from './paths.js'
import { namesGiven } from './restart-signs.js'

/** Something about the places of an instance that its user may not have meant. */
export interface PlaceNote {
  /** False where it is most likely meant, and only worth a word. */
  readonly isDoubtful: boolean
  readonly seen: string
  readonly remedy: string
}

/** Where an instance keeps its files. */
interface Places {
  readonly root: Root
  readonly store: string
  readonly directory: string
}

const COPIED =
  'if .env was copied with the project, write FILE_SIGNAL_ROOT=. there, as file-signal init does: it means the project that runs; if both are to share one store, leave it'
const RELEASE =
  'let the releases share it: link data and tmp into each (linked_dirs of Capistrano, shared_dirs of Deployer), or set FILE_SIGNAL_DATABASE and FILE_SIGNAL_DIR to folders beside them; see docs/deploying.md'

/** Compares the places with the project that this program belongs to, and with its way of being deployed. */
export async function notePlaces(places: Places): Promise<PlaceNote[]> {
  const own = runningProject()?.path ?? null
  const roots = ofRoot(places.root, own)
  const stores = roots.some(({ isDoubtful }) => isDoubtful) ? [] : ofStore(places, own)
  return [...roots, ...stores, ...(await ofRelease(places))]
}

function ofRoot(root: Root, own: string | null): PlaceNote[] {
  const named = [...new Set([own, root.path])].flatMap((folder) => {
    const value = folder ? inFile(folder) : null
    const target = folder && value ? resolve(folder, value) : null
    return folder && target
      ? [{ folder, target: real(target) ?? target, by: `${join(folder, '.env')} names` }]
      : []
  })
  if (own && root.rule.startsWith(ENVIRONMENT.root) && !named.some(({ target }) => target === root.path)) {
    named.push({ folder: own, target: root.path, by: `${ENVIRONMENT.root} in the environment names` })
  }
  return named
    .filter(({ folder, target }) => target !== folder)
    .map(({ folder, target, by }) => {
      if (isInside(target, folder)) {
        const seen = `${by} the root ${target}: the project ${folder} shares its store with all that lies there`
        return { isDoubtful: false, seen, remedy: 'nothing, if that is meant' }
      }
      return {
        isDoubtful: true,
        seen: `${by} the root ${target}, which is not this project, ${folder}`,
        remedy: COPIED,
      }
    })
}

/** A store in a project that is neither this one, nor one around it. */
function ofStore({ root, store, directory }: Places, own: string | null): PlaceNote[] {
  return [
    { path: store, what: 'the store', name: ENVIRONMENT.database },
    { path: directory, what: 'the folder of the signal file', name: ENVIRONMENT.directory },
  ].flatMap(({ path, what, name }) => {
    const project = namedAbove(dirname(path))
    const mine = [root.path, own].filter((folder) => folder !== null)
    if (project === null || mine.some((folder) => isInside(project, folder) || isInside(folder, path)))
      return []
    const seen = `${what}, ${path}, lies in another project, ${project}`
    return [{ isDoubtful: true, seen, remedy: `look at ${name}; if both are to share it, leave it` }]
  })
}

async function ofRelease({ root, store, directory }: Places): Promise<PlaceNote[]> {
  const release = await releaseOf(root.path)
  if (release === null) return []
  const isIn = (path: string): boolean => isInside(release, real(path) ?? path)
  const lost = [
    ...(isIn(dirname(store)) ? [`the store ${store}`] : []),
    ...(isIn(directory) ? [`the signal file in ${directory}`] : []),
  ]
  if (lost.length === 0) return []
  const seen = `${lost.join(' and ')}: inside the release ${release}, so the next one begins without`
  return [{ isDoubtful: true, seen, remedy: RELEASE }]
}

/** The release that a root lies in: a folder of `releases`, or what a link named `current` leads to. */
async function releaseOf(root: string): Promise<string | null> {
  const parts = root.split(sep)
  const at = parts.lastIndexOf('releases')
  if (at > 0 && at < parts.length - 1) return parts.slice(0, at + 2).join(sep)
  const links = await linksTo(root, namesGiven(null))
  return links.some((link) => link.split(sep).includes('current')) ? root : null
}

/** What the `.env` of a project says of the root; null where it says nothing, or may not be read. */
function inFile(project: string): string | null {
  const text = attempt(() => readFileSync(join(project, '.env'), 'utf8').replace(/^\uFEFF/, ''))
  return (text && parseEnv(text)[ENVIRONMENT.root]?.trim()) || null
}
