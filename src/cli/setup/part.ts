import { type Entry, keyOf } from './manifest.js'
import { lookAt } from './snapshot.js'
import { createStep, type Step, temporaryPath } from './step.js'

/** What is to be done about one thing that init wants, and what the manifest is to know of it. */
export interface Part {
  readonly steps: readonly Step[]
  readonly entries: readonly Entry[]
}

/** Where parts are planned. */
export interface PartSite {
  readonly root: string
  /** The entries of the manifest, by `keyOf`. */
  readonly known: ReadonlyMap<string, Entry>
  /** The version that new blocks are marked with. */
  readonly version: string
}

/** Asked once for all that is new. */
export const CREATE = 'Create what is new?'

export function entryLike(site: PartSite, entry: Pick<Entry, 'kind' | 'path'>): Entry | undefined {
  return site.known.get(keyOf(entry))
}

/** A step that removes what a killed run has left beside a file; none in most cases. */
export function leftoverOf(path: string): Step[] {
  const left = temporaryPath(path)
  if (!lookAt(left)) return []
  const change = { kind: 'delete', path: left, before: null } as const
  return [createStep('remove', left, 'left behind by a run that was killed', { change })]
}
