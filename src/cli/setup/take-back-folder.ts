import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Places } from '../../index.js'
import { attempt } from './refusal.js'
import { lookAt, readSnapshot } from './snapshot.js'
import { createStep, type Step } from './step.js'
import { REMOVE } from './take-back.js'

/** What becomes of a folder of ours. */
export interface FolderFate {
  readonly steps: readonly Step[]
  /** True where it stays for the sake of the store, which may go another time. */
  readonly keepsStore: boolean
}

export const REMOVE_STORE = 'Delete the store with all its events? Stop the app first.'

/** What SQLite and file-signal put beside a store, after its name. */
const STORE_SUFFIX = /^(-wal|-shm|-journal|\.damaged-.*)?$/

/** Deletes the store, and what lies beside it. */
export function takeBackStore({ database }: Places): Step[] {
  return childrenOf(dirname(database))
    .filter((name) => isOfStore(name, database))
    .map((name) => {
      const path = join(dirname(database), name)
      const change = { kind: 'delete', path, before: null } as const
      return createStep('remove', path, 'of the store', { change, question: REMOVE_STORE })
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
    const files = [...guards.filter((guard) => inside.includes(guard)), ...hints]
    return { steps: [...files.map(deletion), removal(path)], keepsStore: false }
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

function deletion(path: string): Step {
  const before = readSnapshot(path)?.bytes ?? null
  return createStep('remove', path, 'goes with its folder', {
    change: { kind: 'delete', path, before },
    question: REMOVE,
  })
}

function removal(path: string): Step {
  return createStep('remove', path, 'an empty folder', {
    change: { kind: 'remove-folder', path },
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
