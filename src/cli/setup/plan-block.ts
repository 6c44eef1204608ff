import { type FoundBlock, findBlock, markersAround, renderBlock, withBlock, withoutBlock } from './block.js'
import { fromRoot } from './environment.js'
import { type Entry, sha256 } from './manifest.js'
import { CREATE, entryLike, leftoverOf, type Part, type PartSite } from './part.js'
import { readSnapshot, textOf } from './snapshot.js'
import { createStep, type Step } from './step.js'

/** A block of ours in a file that belongs to the user. */
export interface WantedBlock {
  readonly path: string
  /** Rights of the file where there is none yet. */
  readonly mode: number
  /** The lines between the markers, from what stands around them; '' where none are needed. */
  readonly body: (around: string) => string
  /** Where a new block goes, as an index of the text. */
  readonly place: (text: string) => number
  readonly isSecret: boolean
}

/**
 * Plans a block. One of ours that nobody has edited is replaced where it is not what is wanted; one that was
 * edited stays. The rest of the file keeps every byte.
 *
 * Throws PATH_UNSAFE and SETUP_FAILED.
 */
export function planBlock(site: PartSite, { path, mode, body: bodyFor, place, isSecret }: WantedBlock): Part {
  const shown = fromRoot(site.root, path)
  const before = readSnapshot(path)
  const text = before ? textOf(before) : ''
  const found = findBlock(text)
  const left = leftoverOf(path)
  if (found && found.state !== 'intact') {
    const about = `${whatBecameOf(found)}: to get the new lines, delete them all and run init again`
    return { steps: [...left, createStep('kept', path, about)], entries: [] }
  }
  const around = found ? withoutBlock(text, found) : text
  const body = asBytes(bodyFor(around))
  const known = entryLike(site, { kind: 'block', path: shown })
  const created = before === null || (found !== null && known?.kind === 'block' && known.created)
  const entry: Entry = { kind: 'block', path: shown, sha256: sha256(Buffer.from(body, 'latin1')), created }
  const danger = found ? dangerOf(text, found) : null
  if (body === (found?.body ?? '')) {
    const about = found ? 'its block is as it should be' : 'sets all this by itself'
    const step = danger ? createStep('kept', path, danger) : createStep('unchanged', path, about)
    return { steps: [...left, step], entries: found ? [entry] : [] }
  }
  const at = found || body === '' ? 0 : place(text)
  const result = body === '' ? around : withBlock(text, renderBlock(body, site.version), found, at)
  const after = Buffer.from(result, 'latin1')
  const change = { kind: 'write', path, before: before?.bytes ?? null, after, mode } as const
  const question = before ? `Change ${shown} as shown?` : CREATE
  const about = [
    describe(body, before === null, found, text.slice(0, at).split('\n').length),
    ...(danger ? [danger] : []),
  ].join('; ')
  const step: Step = createStep(before ? 'change' : 'create', path, about, { change, question, isSecret })
  return { steps: [...left, step], entries: [entry] }
}

/** Why an intact block is not safe where it stands, or null. */
function dangerOf(text: string, found: FoundBlock): string | null {
  const around = markersAround(text, found)
  if (!around) return null
  const [first, last] = around
  return `its block lies between the markers of another program in lines ${first} and ${last}, which may delete it: move it to the top of the file`
}

/** Says where an edited block stands, for whoever is to look at it. */
export function whatBecameOf({ state, lines: [first, last] }: FoundBlock): string {
  return state === 'edited'
    ? `you have edited the block of file-signal in lines ${first} to ${last}`
    : `the markers of file-signal in lines ${first} to ${last} are not one BEGIN and one END`
}

function describe(body: string, isNew: boolean, found: FoundBlock | null, line: number): string {
  if (body === '') return 'the block goes: the file sets all this by itself'
  const size = `${body.split('\n').length + 1} lines`
  if (isNew) return `with a block of ${size}`
  if (found) return `an older block of ours becomes one of ${size}`
  return `a block of ${size} at ${line === 1 ? 'the top' : `line ${line}`}`
}

/** One character per byte, as `textOf` gives files. */
function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}
