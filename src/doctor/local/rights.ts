import { accessSync, constants, lstatSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { attempt } from '../../attempt.js'
import { type Finding, fail, pass, skip, warn } from '../result.js'
import type { StorePlaces } from './places.js'
import { groupsOf, showGroup, showUser, type User, webServerUsers } from './users.js'

interface Item {
  readonly path: string
  readonly stats: Stats
}

const GROUP =
  'give both users one group, and pass { mode: 0o660, group } where the files are made; what exists: chgrp -R GROUP and chmod -R g+rwX, and chmod g+s the folders'
const SETGID = 0o2000
const STICKY = 0o1000

/** Whether this user may use every file and folder, whose they are, and who else could not write. */
export function checkRights(places: StorePlaces): Finding {
  const uid = process.geteuid?.()
  if (uid === undefined) return skip(`not known: ${process.platform} has no owners of this kind`)
  const items = existing(places)
  if (items.length === 0) return checkAbove(places)
  const details = { uid, files: items.map(describe) }

  const links = items.filter(({ stats }) => !stats.isFile() && !stats.isDirectory())
  if (links.length > 0) {
    return fail(
      `${list(links)}: a link or no regular file`,
      'remove what stands there, or point FILE_SIGNAL_DIR or FILE_SIGNAL_DATABASE elsewhere',
      details,
    )
  }
  const shut = items.filter(({ path, stats }) => !mayUse(path, stats))
  if (shut.length > 0) return fail(`${showUser(uid)} may not write ${list(shut)}`, GROUP, details)
  const [strange] = items.filter(({ stats }) => stats.uid !== (items[0] as Item).stats.uid)
  if (strange) {
    const owners = [...new Set(items.map(({ stats }) => stats.uid))].map(showUser)
    const shared = items.every(({ stats }) => (stats.mode & 0o020) !== 0)
    const seen = `files of several owners: ${owners.join(', ')}`
    if (!shared) return warn(`${seen}; not all of them writable for their group`, GROUP, details)
  }
  const [sticky] = items.filter(({ stats }) => stats.isDirectory() && (stats.mode & STICKY) !== 0)
  if (sticky) {
    return warn(
      `${sticky.path} is sticky: only an owner may replace or remove a file in it`,
      'choose a folder of the account itself, not one like /tmp',
      details,
    )
  }
  const [loose] = items.filter(({ stats }) => isShared(stats) && (stats.mode & SETGID) === 0)
  if (loose) {
    return warn(
      `${loose.path} is writable for ${showGroup(loose.stats.gid)}, but has no setgid: SQLite's -wal and -shm get the group of whoever opens the store first`,
      `chmod g+s ${loose.path}`,
      details,
    )
  }
  return pass(`${showUser(uid)} may write all; ${others(items)}`, details)
}

/** Nothing is there yet: what counts is whether it can be made. */
function checkAbove({ directory, store }: StorePlaces): Finding {
  const shut = [directory, dirname(store)].map(nearest).filter(({ path, stats }) => !mayUse(path, stats))
  if (shut.length === 0) return pass('nothing is there yet, and all of it can be made here')
  return fail(
    `the folders are not there yet, and ${showUser(process.geteuid?.() ?? -1)} may not make them in ${list(shut)}`,
    'make them as the owner, or run this as the owner of the project',
  )
}

/** Who else could not write, of those that this machine lists as users of web servers. */
function others(items: readonly Item[]): string {
  const owner = (items[0] as Item).stats.uid
  const users = webServerUsers().filter(({ uid }) => uid !== owner)
  const cannot = users.filter((user) => !items.every(({ stats }) => couldWrite(stats, user)))
  if (cannot.length === 0) return `owned by ${showUser(owner)}`
  const names = cannot.map(({ name, uid }) => `${name} (${uid})`).join(', ')
  return `owned by ${showUser(owner)}; could not write: ${names}`
}

/** By owner and mode; access lists are not looked at. */
export function couldWrite(stats: Stats, user: User): boolean {
  if (user.uid === 0) return true
  const needed = stats.isDirectory() ? 0o3 : 0o6
  const shift = stats.uid === user.uid ? 6 : groupsOf(user).includes(stats.gid) ? 3 : 0
  return ((stats.mode >> shift) & needed) === needed
}

function existing({ directory, signalFile, store }: StorePlaces): Item[] {
  const paths = [dirname(store), store, `${store}-wal`, `${store}-shm`, directory, signalFile]
  return paths.flatMap((path) => {
    // Releases share the store's folder by a link.
    const stats = path === dirname(store) ? attempt(() => statSync(path)) : statsOf(path)
    return stats ? [{ path, stats }] : []
  })
}

function nearest(path: string): Item {
  for (let above = path; ; above = dirname(above)) {
    const stats = statsOf(above)
    if (stats) return { path: above, stats }
  }
}

function statsOf(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null
  } catch {
    return null
  }
}

function mayUse(path: string, stats: Stats): boolean {
  const wanted = constants.W_OK | (stats.isDirectory() ? constants.X_OK : constants.R_OK)
  try {
    accessSync(path, wanted)
    return true
  } catch {
    return false
  }
}

function isShared(stats: Stats): boolean {
  return stats.isDirectory() && (stats.mode & 0o020) !== 0
}

function describe({ path, stats }: Item): object {
  return { path, uid: stats.uid, gid: stats.gid, mode: (stats.mode & 0o7777).toString(8).padStart(4, '0') }
}

function list(items: readonly Item[]): string {
  return items.map(({ path, stats }) => `${path} (owner ${showUser(stats.uid)}, ${modeOf(stats)})`).join(', ')
}

function modeOf(stats: Stats): string {
  return (stats.mode & 0o7777).toString(8).padStart(4, '0')
}
