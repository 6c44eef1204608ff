import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmdirSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { attempt, refusal } from './refusal.js'
import { isFolder, lookAt, readSnapshot } from './snapshot.js'
import { type Change, temporaryPath } from './step.js'

type Write = Extract<Change, { kind: 'write' }>

// O_NOFOLLOW is undefined on Windows.
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
const SETGID = 0o2000

/**
 * Makes one change, whole or not at all: a file is written beside its place, flushed to the disk, and renamed.
 *
 * A file that exists keeps its rights and its owner. Call it under the lock.
 *
 * Throws SETUP_FAILED where the disk refuses, and where a file no longer holds what the plan was made from.
 */
export function perform(change: Change): void {
  const { verb, work } = toWork(change)
  attempt(change.path, verb, work)
}

function toWork(change: Change): { verb: string; work: () => void } {
  switch (change.kind) {
    case 'make-folder':
      return { verb: 'create the folder', work: () => makeFolder(change.path, change.mode) }
    case 'write':
      return { verb: 'write', work: () => replaceFile(change) }
    case 'delete':
      return { verb: 'delete', work: () => deleteFile(change.path, change.before) }
    case 'remove-folder':
      return { verb: 'remove', work: () => removeFolder(change.path) }
  }
}

function makeFolder(path: string, mode: number): void {
  // Whoever was faster, the app for instance, has made it as it is to be.
  if (isFolder(path, true)) return
  mkdirSync(path, mode)
  const inherited = (lookAt(path)?.mode ?? 0) & SETGID
  if (process.platform !== 'win32') chmodSync(path, mode | inherited)
  flush(dirname(path))
}

function replaceFile({ path, before, after, mode }: Write): void {
  const temporary = temporaryPath(path)
  // Under the lock it can only be left over from a run that was killed.
  rmSync(temporary, { force: true })
  const fd = openSync(temporary, CREATE, 0o600)
  try {
    try {
      writeFileSync(fd, after)
      const there = expectStill(path, before)
      if (process.platform !== 'win32') {
        if (there && (there.uid !== process.geteuid?.() || there.gid !== process.getegid?.())) {
          fchownSync(fd, there.uid, there.gid)
        }
        fchmodSync(fd, there?.mode ?? mode)
      }
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  flush(dirname(path))
}

function deleteFile(path: string, before: Buffer | null): void {
  if (before) expectStill(path, before)
  unlinkSync(path)
  flush(dirname(path))
}

/** What somebody has put into it meanwhile is theirs. */
function removeFolder(path: string): void {
  try {
    rmdirSync(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOTEMPTY') return
    throw error
  }
  flush(dirname(path))
}

function expectStill(path: string, before: Buffer | null): ReturnType<typeof readSnapshot> {
  const there = readSnapshot(path)
  const isSame = before === null ? there === null : there?.bytes.equals(before)
  if (isSame) return there
  throw refusal(
    path,
    'was changed by another program a moment ago',
    'run the command again: it begins with what is there now',
  )
}

/** Makes names last: without it a power cut could bring the old one back after the manifest has changed. */
function flush(folder: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(folder, constants.O_RDONLY)
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
