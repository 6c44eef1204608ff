import { join } from 'node:path'
import { fromRoot } from './environment.js'
import {
  type Entry,
  formatManifest,
  keyOf,
  type Manifest,
  manifestPath,
  type StoredManifest,
} from './manifest.js'
import { CREATE, leftoverOf, type Part, type PartSite } from './part.js'
import { planBlock } from './plan-block.js'
import { planFile } from './plan-file.js'
import { isFolder, lookAt } from './snapshot.js'
import { createStep, type Plan, type Step } from './step.js'
import type { Wanted } from './wanted.js'
import { assertWritable } from './writable.js'

/** What init plans from. */
export interface InitSite {
  readonly root: string
  readonly wanted: readonly Wanted[]
  readonly stored: StoredManifest | null
  /** All of the manifest but its entries. */
  readonly settings: Omit<Manifest, 'entries'>
  /** The version that new blocks are marked with. */
  readonly version: string
  /** Questions that were answered with no. */
  readonly declined: ReadonlySet<string>
}

const GUARD_MODE = 0o600
const MANIFEST_MODE = 0o644

/**
 * Compares what is wanted with what stands on the disk, and says what is to be done. Changes nothing.
 *
 * The manifest comes first, so that a run that is killed at any point has left nothing that the next one, or
 * uninstall, does not know.
 *
 * Throws PATH_UNSAFE and SETUP_FAILED where one of the steps cannot be done: then none should be.
 */
export function planInit(site: InitSite): Plan {
  const { root, stored, declined } = site
  const known = new Map((stored?.entries ?? []).map((entry) => [keyOf(entry), entry]))
  const parts = site.wanted
    .map((wanted) => planPart({ root, known, version: site.version }, wanted))
    .filter(({ steps }) => !steps.some(({ question }) => question !== null && declined.has(question)))
  const steps = parts.flatMap((part) => part.steps)
  for (const entry of parts.flatMap((part) => part.entries)) known.set(keyOf(entry), entry)
  const { first, last } = planManifest(site, [...known.values()])
  const plan = { root, steps: [...first, ...steps, ...last] }
  assertWritable(plan)
  return plan
}

function planPart(site: PartSite, wanted: Wanted): Part {
  switch (wanted.kind) {
    case 'folder':
      return planFolder(site, wanted)
    case 'file':
      return planFile(site, { ...wanted, about: `from ${wanted.from} of the package` })
    case 'block':
      return planBlock(site, wanted)
  }
}

function planFolder(
  site: PartSite,
  { path, mode, mayBeLink, guards }: Extract<Wanted, { kind: 'folder' }>,
): Part {
  const entry: Entry = { kind: 'folder', path: fromRoot(site.root, path) }
  const isThere = isFolder(path, mayBeLink)
  const change = { kind: 'make-folder', path, mode } as const
  const about = guards ? 'a folder for the app alone' : 'a folder'
  const made = isThere ? [] : [createStep('create', path, about, { change, question: CREATE })]
  if (!guards) return { steps: made, entries: isThere ? [] : [entry] }
  if (isThere && !site.known.has(keyOf(entry))) {
    const isOpen = !lookAt(join(path, '.htaccess'))
    const warning = 'was there before and has no .htaccess: make sure that the web server does not serve it'
    return { steps: isOpen ? [createStep('kept', path, warning)] : [], entries: [] }
  }
  const inside = Object.entries(guards).map(([name, text]) => {
    const purpose = name === '.htaccess' ? 'nothing in it is served' : 'nothing in it is committed'
    return planFile(site, { path: join(path, name), mode: GUARD_MODE, text, about: purpose })
  })
  return {
    steps: [...made, ...inside.flatMap(({ steps }) => steps)],
    entries: [entry, ...inside.flatMap(({ entries }) => entries)],
  }
}

/** Written before the steps; and after them, where it spoke of files that were to be replaced. */
function planManifest(site: InitSite, entries: readonly Entry[]): { first: Step[]; last: Step[] } {
  const path = manifestPath(site.root)
  const before = site.stored?.bytes ?? null
  const interim = formatManifest({ ...site.settings, entries })
  const final = formatManifest({ ...site.settings, entries: entries.map(withoutReplaces) })
  const about = 'the list of all this, with checksums'
  const first = interim.equals(before ?? Buffer.alloc(0))
    ? createStep('unchanged', path, about)
    : createStep(before ? 'change' : 'create', path, about, {
        change: { kind: 'write', path, before, after: interim, mode: MANIFEST_MODE },
      })
  if (final.equals(interim)) return { first: [...leftoverOf(path), first], last: [] }
  const change = { kind: 'write', path, before: interim, after: final, mode: MANIFEST_MODE } as const
  return {
    first: [...leftoverOf(path), first],
    last: [createStep('change', path, 'all is done', { change })],
  }
}

function withoutReplaces(entry: Entry): Entry {
  if (entry.kind !== 'file') return entry
  const { replaces: _, ...rest } = entry
  return rest
}
