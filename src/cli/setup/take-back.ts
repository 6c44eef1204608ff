import { resolve } from 'node:path'
import { findBlock, withoutBlock } from './block.js'
import { type Entry, sha256 } from './manifest.js'
import { leftoverOf } from './part.js'
import { whatBecameOf } from './plan-block.js'
import { readSnapshot, textOf } from './snapshot.js'
import { createStep, type Step } from './step.js'

type FileEntry = Extract<Entry, { kind: 'file' }>
type BlockEntry = Extract<Entry, { kind: 'block' }>

/** Asked once for all that goes as a whole. */
export const REMOVE = 'Remove what init has made?'

/** Takes back a whole file, if it is as it was written. Nothing to do where it is gone. */
export function takeBackFile(root: string, { path, sha256: known, replaces }: FileEntry): Step[] {
  const file = resolve(root, path)
  const left = leftoverOf(file)
  const before = readSnapshot(file)
  if (!before) return left
  const found = sha256(before.bytes)
  if (found !== known && found !== replaces) {
    return [...left, createStep('kept', file, 'you have edited it: it is yours now')]
  }
  const change = { kind: 'delete', path: file, before: before.bytes } as const
  return [...left, createStep('remove', file, 'as it was written', { change, question: REMOVE })]
}

/**
 * Takes a block out of a file, if nobody has edited it; what stands around keeps every byte. A file that init
 * has made goes with its block, if nothing else was written into it.
 */
export function takeBackBlock(root: string, { path, created }: BlockEntry, isSecret: boolean): Step[] {
  const file = resolve(root, path)
  const left = leftoverOf(file)
  const before = readSnapshot(file)
  const text = before ? textOf(before) : ''
  const found = findBlock(text)
  if (!before || !found) return left
  if (found.state !== 'intact') {
    const about = `${whatBecameOf(found)}: they are yours now, delete them where you want them gone`
    return [...left, createStep('kept', file, about)]
  }
  const rest = withoutBlock(text, found)
  if (created && rest === '') {
    const change = { kind: 'delete', path: file, before: before.bytes } as const
    return [...left, createStep('remove', file, 'holds our block alone', { change, question: REMOVE })]
  }
  const after = Buffer.from(rest, 'latin1')
  const change = { kind: 'write', path: file, before: before.bytes, after, mode: before.mode } as const
  const [first, last] = found.lines
  const question = `Change ${path} as shown?`
  return [
    ...left,
    createStep('change', file, `without lines ${first} to ${last}`, { change, question, isSecret }),
  ]
}
