import { readdirSync, readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { attempt } from '../../attempt.js'
import { showUser } from '../../users.js'
import { type Finding, pass, skip } from '../result.js'
import { mountOf } from './disk.js'
import type { StorePlaces } from './places.js'

/** A process, other than this one, that has the store open. */
export interface Holder {
  readonly pid: number
  /** Null where it may not be asked. */
  readonly uid: number | null
  /** Program and script, such as `node app.js`. */
  readonly command: string | null
}

/**
 * The processes that have the store open, as the kernel tells it: by their locks on the store's -shm, which
 * every user may read, and by their open files, where this user may. Null where the system tells nothing.
 */
export function findHolders(store: string): Holder[] | null {
  const locks = attempt(() => readFileSync('/proc/locks', 'utf8'))
  if (locks === null) return null
  const file = attempt(() => realpathSync(store)) ?? store
  const found = new Set(lockHolders(locks, lockable(file)))
  for (const pid of processes()) if (hasOpen(pid, file)) found.add(pid)
  found.delete(process.pid)
  return [...found].sort((a, b) => a - b).map(processHolder)
}

/** Of the holders those that hold a lock, which takes one read and shows processes of every user. Null as above. */
export function findLockHolders(store: string): Holder[] | null {
  const locks = attempt(() => readFileSync('/proc/locks', 'utf8'))
  if (locks === null) return null
  const found = new Set(lockHolders(locks, lockable(attempt(() => realpathSync(store)) ?? store)))
  found.delete(process.pid)
  return [...found].sort((a, b) => a - b).map(processHolder)
}

/** Whether another process works with the same store now: a web process does while a stream is open. */
export function checkHolders({ store }: StorePlaces): Finding {
  const holders = findHolders(store)
  if (holders === null) return skip(`not known: ${process.platform} tells nothing of it`)
  const details = { holders }
  if (holders.length > 0) return pass(`the store is open in ${holders.map(showHolder).join(', ')}`, details)
  return pass(
    'no other process has the store open now (a web process opens it with its first stream)',
    details,
  )
}

/** `process 4242 of alice (1000) (node app.js)`, and so on. */
export function showHolders(holders: readonly Holder[]): string {
  return holders.map(showHolder).join(', ')
}

/** `process 4242 of alice (1000) (node app.js)`. */
export function showHolder({ pid, uid, command }: Holder): string {
  const who = uid === null ? 'a user that cannot be seen' : showUser(uid)
  return `process ${pid} of ${who}${command ? ` (${command})` : ''}`
}

/** The files of a store as `/proc/locks` names them, `8:1:131`: numbers of files repeat on other file systems. */
function lockable(store: string): string[] {
  const device = mountOf(store)?.device
  return ['', '-wal', '-shm'].flatMap((end) => {
    const stats = attempt(() => statSync(`${store}${end}`))
    return stats && device ? [`${device}:${stats.ino}`] : []
  })
}

/**
 * The processes that hold a lock on one of `files`, which are named by decimals, `8:1:131`. A line is
 * `1: POSIX  ADVISORY  READ 4242 08:01:131 128 128`; SQLite in WAL mode keeps one lock while it is open.
 */
export function lockHolders(locks: string, files: readonly string[]): number[] {
  return locks.split('\n').flatMap((line) => {
    const [, pid, major = '', minor = '', inode] =
      /\s(\d+)\s+([0-9a-f]+):([0-9a-f]+):(\d+)\s/.exec(line) ?? []
    const file = `${Number.parseInt(major, 16)}:${Number.parseInt(minor, 16)}:${inode}`
    return Number(pid) > 0 && files.includes(file) ? [Number(pid)] : []
  })
}

function hasOpen(pid: number, store: string): boolean {
  const fds = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []
  return fds.some((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === store)
}

/** Numbers of all processes; empty where the system tells none. */
export function processes(): number[] {
  return (attempt(() => readdirSync('/proc')) ?? []).filter((name) => /^\d+$/.test(name)).map(Number)
}

/** A process by its number, as far as it may be asked. */
export function processHolder(pid: number): Holder {
  const words = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')) ?? []
  return { pid, uid: attempt(() => statSync(`/proc/${pid}`).uid), command: nameOf(words) }
}

const SCRIPT = /^[\w./-]+\.(?:[cm]?[jt]s|php|phar|py|rb|pl|sh)$/

/**
 * `node app.js`: the program and its script. The other words of a command line may be passwords, and what is
 * found here is printed and passed around. Null where there are no words.
 */
export function nameOf([first = '', ...others]: readonly string[]): string | null {
  // A process that has given itself a title has one word, with spaces.
  const program = basename(first.split(/[\s:]/)[0] ?? '')
  const script = others.find((word) => !word.startsWith('-') && SCRIPT.test(word))
  return [program, script].filter(Boolean).join(' ') || null
}
