import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Places } from '../../index.js'
import { attempt } from './refusal.js'
import { lookAt, lookAtFile, readSnapshot } from './snapshot.js'
import { createStep, type Step } from './step.js'
import { assertOurStore } from './store-file.js'
import { REMOVE } from './take-back.js'

/** What becomes of a folder of ours. */
export interface FolderFate {
  readonly steps: readonly Step[]
  /** True where it stays for the sake of the store, which may go another time. */
  readonly keepsStore: boolean
}

export const REMOVE_STORE = 'Delete the store with all its events? Stop the app first.'

/** SQLite deletes a -wal when the last program closes its store. */
const SEEMS_OPEN = 'it is open, or was when its program was killed: stop the app first'

/** What SQLite and file-signal put beside a store, after its name. */
const STORE_SUFFIX = /^(-wal|-shm|-journal|-owner|\.damaged-.*)?$/

/**
 * Deletes the store, and what lies beside it. In a folder that init has made, an empty file is a store too, and
 * what lies beside one that is gone; elsewhere neither is sure to be ours, and stays.
 *
 * Throws STORE_FOREIGN where another file stands in its place, PATH_UNSAFE.
 */
export function takeBackStore({ database }: Places, folders: readonly string[]): Step[] {
  const folder = dirname(database)
  const isOurFolder = folders.includes(folder)
  assertOurStore(database, isOurFolder)
  if (!isOurFolder && !lookAt(database)) return []
  const paths = childrenOf(folder)
    .filter((name) => isOfStore(name, database))
    .map((name) => join(folder, name))
    .filter(lookAtFile)
  const about = paths.includes(`${database}-wal`) ? `of the store; ${SEEMS_OPEN}` : 'of the store'
  return paths.map((path) => {
    const change = { kind: 'delete', path, before: null } as const
    return createStep('remove', path, about, { change, question: REMOVE_STORE })
  })
}

/** What is known when a folder is looked at. */
export interface FolderSite {
  /** Files of ours in it that deny it to the web and to git. */
  readonly guards: readonly string[]
  /** Paths that will be gone by then. */
  readonly gone: ReadonlySet<string>
  /** All folders of ours: one that stays has been told of already. */
  readonly folders: readonly string[]
  readonly places: Places
}

/**
 * Removes a folder that would be empty without what is gone, its guards, and the signal file, which is only a
 * hint. In all other cases it stays with its guards.
 */
export function takeBackFolder(path: string, { guards, gone, folders, places }: FolderSite): FolderFate {
  if (!lookAt(path)?.isDirectory()) return { steps: [], keepsStore: false }
  const inside = childrenOf(path).map((name) => join(path, name))
  const hints = inside.filter((child) => child === places.signalFile && lookAt(child)?.isFile())
  const others = inside.filter((child) => ![...guards, ...hints].includes(child) && !gone.has(child))
  if (others.length === 0) {
    return {
      steps: [
        removal(
          path,
          guards.filter((guard) => inside.includes(guard)),
          hints,
        ),
      ],
      keepsStore: false,
    }
  }
  const { database } = places
  if (others.some((child) => dirname(child) === dirname(database) && isOfStore(basename(child), database))) {
    const about = 'holds the store; file-signal uninstall --data deletes it too'
    return { steps: [createStep('kept', path, about)], keepsStore: true }
  }
  const foreign = others.filter((child) => !folders.includes(child))
  const steps = foreign.length > 0 ? [createStep('kept', path, `holds ${listed(foreign)}`)] : []
  return { steps, keepsStore: false }
}

/** Hints change at any time, and are ours whatever they hold. */
function removal(path: string, guards: readonly string[], hints: readonly string[]): Step {
  const files = [
    ...guards.map((guard) => ({ path: guard, before: readSnapshot(guard)?.bytes ?? null })),
    ...hints.map((hint) => ({ path: hint, before: null })),
  ]
  const names = files.map((file) => basename(file.path)).join(', ')
  return createStep('remove', path, names ? `with ${names}` : 'an empty folder', {
    change: { kind: 'remove-folder', path, files },
    question: REMOVE,
  })
}

function isOfStore(name: string, database: string): boolean {
  const store = basename(database)
  return name.startsWith(store) && STORE_SUFFIX.test(name.slice(store.length))
}

function childrenOf(folder: string): string[] {
  if (!lookAt(folder)?.isDirectory()) return []
  return attempt(folder, 'list', () => readdirSync(folder)).sort()
}

function listed(paths: readonly string[]): string {
  const names = paths.slice(0, 3).map((path) => basename(path))
  return paths.length > 3 ? `${names.join(', ')} and ${paths.length - 3} more` : names.join(', ')
}
