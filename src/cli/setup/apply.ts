import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Owner } from './owner.js'
import { attempt, refusal } from './refusal.js'
import { isFolder, lookAt, readSnapshot, type Snapshot } from './snapshot.js'
import { type Change, temporaryPath } from './step.js'

type Write = Extract<Change, { kind: 'write' }>
type FolderRemoval = Extract<Change, { kind: 'remove-folder' }>

// O_NOFOLLOW is undefined on Windows.
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
const OPEN_FOLDER = constants.O_RDONLY | (constants.O_DIRECTORY ?? 0) | (constants.O_NOFOLLOW ?? 0)
const SETGID = 0o2000

/**
 * Makes one change, whole or not at all: a file is written beside its place, flushed to the disk, and renamed.
 *
 * A file that exists keeps its rights and its owner; what is new belongs to `owner`, null for whoever runs
 * this. Call it under the lock.
 *
 * Throws SETUP_FAILED where the disk refuses, where a file no longer holds what the plan was made from, and
 * where a folder that is to go has been filled again.
 */
export function perform(change: Change, owner: Owner | null = null): void {
  const { verb, work } = toWork(change, owner)
  attempt(change.path, verb, work)
}

function toWork(change: Change, owner: Owner | null): { verb: string; work: () => void } {
  switch (change.kind) {
    case 'make-folder':
      return { verb: 'create the folder', work: () => makeFolder(change.path, change.mode, owner) }
    case 'write':
      return { verb: 'write', work: () => replaceFile(change, owner) }
    case 'delete':
      return { verb: 'delete', work: () => deleteFile(change.path, change.before) }
    case 'remove-folder':
      return { verb: 'remove', work: () => removeFolder(change) }
  }
}

function makeFolder(path: string, mode: number, owner: Owner | null): void {
  // Whoever was faster, the app for instance, has made it as it is to be.
  if (isFolder(path, true)) return
  mkdirSync(path, mode)
  if (process.platform !== 'win32') setRights(path, mode, owner)
  flush(dirname(path))
}

/** A group that the folder above hands down is kept. The owner first: changing it can drop setgid. */
function setRights(folder: string, mode: number, owner: Owner | null): void {
  // Not by its name: root must not give away what somebody has put in its place meanwhile.
  const fd = openSync(folder, OPEN_FOLDER)
  try {
    const made = fstatSync(fd)
    const inherited = made.mode & SETGID
    if (owner) fchownSync(fd, owner.uid, inherited ? made.gid : owner.gid)
    fchmodSync(fd, mode | inherited)
  } finally {
    closeSync(fd)
  }
}

function replaceFile({ path, before, after, mode }: Omit<Write, 'kind'>, owner: Owner | null): void {
  const temporary = temporaryPath(path)
  // Under the lock it can only be left over from a run that was killed.
  rmSync(temporary, { force: true })
  const fd = openSync(temporary, CREATE, 0o600)
  try {
    try {
      writeFileSync(fd, after)
      const there = expectStill(path, before)
      if (process.platform !== 'win32') {
        const { uid, gid } = there ?? owner ?? fstatSync(fd)
        if (uid !== process.geteuid?.() || gid !== process.getegid?.()) fchownSync(fd, uid, gid)
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

/** Whatever it holds may be gone by itself: SQLite and the app delete what lies beside a store. */
function deleteFile(path: string, before: Buffer | null): void {
  if (before) expectStill(path, before)
  rmSync(path, { force: before === null })
  flush(dirname(path))
}

/**
 * An app that still runs makes its store again at once. What denies the folder to the web therefore goes last,
 * and comes back where the folder turns out not to be empty.
 */
function removeFolder({ path, files }: FolderRemoval): void {
  const ours = files.map((file) => basename(file.path))
  assertEmptyBut(path, ours)
  const taken = files.flatMap((file) => takeFile(file.path, file.before) ?? [])
  try {
    rmdirSync(path)
  } catch (error) {
    for (const file of taken) putBack(file)
    assertEmptyBut(path, ours)
    throw error
  }
  flush(dirname(path))
}

function assertEmptyBut(folder: string, names: readonly string[]): void {
  const others = readdirSync(folder).filter((name) => !names.includes(name))
  if (others.length === 0) return
  const guards = names.length > 0 ? ` with ${names.join(', ')}` : ''
  throw refusal(
    folder,
    `was filled again meanwhile (${others.join(', ')}), and stays${guards}`,
    'stop the app, and run the command again: it goes on where it stopped',
  )
}

function takeFile(path: string, before: Buffer | null): Snapshot | null {
  const there = before ? expectStill(path, before) : readSnapshot(path)
  if (there) rmSync(path, { force: before === null })
  return there
}

function putBack({ path, bytes, mode, uid, gid }: Snapshot): void {
  if (!lookAt(path)) replaceFile({ path, before: null, after: bytes, mode }, { uid, gid })
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
