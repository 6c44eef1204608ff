import { fromRoot } from './environment.js'
import { type Entry, sha256 } from './manifest.js'
import { CREATE, entryLike, leftoverOf, type Part, type PartSite } from './part.js'
import { readSnapshot } from './snapshot.js'
import { createStep } from './step.js'

/** A whole file of ours. */
export interface WantedFile {
  readonly path: string
  readonly mode: number
  readonly text: string
  readonly about: string
}

/**
 * Plans a file that is ours from its first byte to its last.
 *
 * Where another file stands there, or ours was edited, it stays as it is. One of ours that is older, as the
 * manifest's checksum tells, is replaced.
 *
 * Throws PATH_UNSAFE and SETUP_FAILED.
 */
export function planFile(site: PartSite, { path, mode, text, about }: WantedFile): Part {
  const after = Buffer.from(text)
  const entry = {
    kind: 'file',
    path: fromRoot(site.root, path),
    sha256: sha256(after),
  } as const satisfies Entry
  const known = entryLike(site, entry)
  const before = readSnapshot(path)
  const change = { kind: 'write', path, before: before?.bytes ?? null, after, mode } as const
  const left = leftoverOf(path)
  if (!before) {
    return {
      steps: [...left, createStep('create', path, about, { change, question: CREATE })],
      entries: [entry],
    }
  }
  const found = sha256(before.bytes)
  if (found === entry.sha256) {
    const step = createStep('unchanged', path, known ? about : `${about}; the same was there before`)
    return { steps: [...left, step], entries: known ? [entry] : [] }
  }
  if (known?.kind === 'file' && (found === known.sha256 || found === known.replaces)) {
    const question = `Replace ${entry.path}, an older one of ours?`
    const step = createStep('change', path, `${about}, in place of an older one of ours`, {
      change,
      question,
    })
    return { steps: [...left, step], entries: [{ ...entry, replaces: found }] }
  }
  const whose = known ? 'you have edited it' : 'it was there before, and is not ours'
  return {
    steps: [...left, createStep('kept', path, `${whose}: to get ours, move it away and run init again`)],
    entries: [],
  }
}
