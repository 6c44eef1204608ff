import { basename, dirname, resolve, sep } from 'node:path'
import { FOLDER_GUARDS, type Places } from '../../index.js'
import { type Entry, formatManifest, manifestPath, type StoredManifest, sha256 } from './manifest.js'
import { leftoverOf } from './part.js'
import { assertWithinReach } from './reach.js'
import { readSnapshot } from './snapshot.js'
import { createStep, type Plan, type Step } from './step.js'
import { takeBackBlock, takeBackFile } from './take-back.js'
import { takeBackFolder, takeBackStore } from './take-back-folder.js'
import type { Wanted } from './wanted.js'
import { assertWritable } from './writable.js'

/** What uninstall plans from. */
export interface UninstallSite {
  readonly root: string
  readonly places: Places
  readonly stored: StoredManifest
  /** What init would make at the places that the user names now; the manifest is not asked. */
  readonly named: readonly Wanted[]
  /** Whether the store goes too. */
  readonly withData: boolean
  /** Questions that were answered with no. */
  readonly declined: ReadonlySet<string>
}

/**
 * Says what is to be done so that a project is as it was before init. Changes nothing.
 *
 * What was edited stays, and is the user's from then on. Folders stay in which the user keeps something, and
 * the one with the store unless it is to go; they keep what denies them to the web. The manifest goes last, so
 * that a run that is killed can be repeated; where only the store is left it stays and knows of that.
 *
 * Throws PATH_UNSAFE and SETUP_FAILED where one of the steps cannot be done, SETUP_FAILED for a manifest that
 * names what lies outside, and STORE_FOREIGN where the store is not ours; then none should be.
 */
export function planUninstall(site: UninstallSite): Plan {
  const { root, places, stored, named, withData, declined } = site
  const steps: Step[] = []
  const gone = new Set<string>()
  /** Paths that the manifest has to know from now on too. */
  const remembered = new Set<string>()

  function add(path: string, found: readonly Step[]): void {
    for (const step of found) {
      if (step.question !== null && declined.has(step.question)) remembered.add(path)
      else steps.push(step)
      if (step.change && !remembered.has(path)) gone.add(step.change.path)
    }
  }

  const absolute = (entry: Entry) => resolve(root, entry.path)
  const folders = stored.entries.filter(({ kind }) => kind === 'folder').map(absolute)
  const isGuard = (path: string) => basename(path) in FOLDER_GUARDS && folders.includes(dirname(path))

  const touched = stored.entries.map(absolute)
  assertWithinReach(root, withData ? [...touched, places.database] : touched, named)
  for (const entry of stored.entries) {
    const path = absolute(entry)
    if (entry.kind === 'block') add(path, takeBackBlock(root, entry, basename(path) === '.env'))
    if (entry.kind === 'file') add(path, isGuard(path) ? leftoverOf(path) : takeBackFile(root, entry))
  }
  if (withData) add(places.database, takeBackStore(places, folders))
  for (const folder of folders.sort((a, b) => b.length - a.length)) {
    const guards = stored.entries.filter(
      (entry) => dirname(absolute(entry)) === folder && isPristine(root, entry),
    )
    const fate = takeBackFolder(folder, {
      guards: guards.map(absolute).filter(isGuard),
      gone,
      folders,
      places,
    })
    add(folder, fate.steps)
    if (fate.keepsStore) remembered.add(folder)
  }

  const left = stored.entries.filter((entry) => {
    const path = absolute(entry)
    const isAbove = [...remembered].some((one) => one.startsWith(path + sep))
    const isInside = isGuard(path) && remembered.has(dirname(path))
    return remembered.has(path) || (entry.kind === 'folder' && isAbove) || isInside
  })
  const servers = declined.size === 0 ? [] : stored.servers
  const keeps = steps.some(({ action }) => action === 'kept')
  const manifest = planManifest(root, { ...stored, servers, entries: left }, keeps)
  const plan = { root, steps: [...steps, ...manifest] }
  assertWritable(plan)
  return plan
}

function isPristine(root: string, entry: Entry): boolean {
  if (entry.kind !== 'file') return false
  const found = readSnapshot(resolve(root, entry.path))
  return found !== null && sha256(found.bytes) === entry.sha256
}

/**
 * `left` has the bytes that are on the disk now, and the entries that stay; `keeps` says whether the user has been
 * told of something that stays as his.
 */
function planManifest(root: string, left: StoredManifest, keeps: boolean): Step[] {
  const path = manifestPath(root)
  const leftover = leftoverOf(path)
  if (left.entries.length === 0) {
    const change = { kind: 'delete', path, before: left.bytes } as const
    const about = keeps ? 'what was kept is yours now, the rest is gone' : 'nothing of ours is left'
    return [...leftover, createStep('remove', path, about, { change })]
  }
  const about = 'knows what is still there'
  const after = formatManifest(left)
  if (after.equals(left.bytes)) return [...leftover, createStep('unchanged', path, about)]
  const change = { kind: 'write', path, before: left.bytes, after, mode: 0o644 } as const
  return [...leftover, createStep('change', path, about, { change })]
}
