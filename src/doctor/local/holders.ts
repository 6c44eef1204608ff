import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { type Finding, pass, skip } from '../result.js'
import type { StorePlaces } from './places.js'
import { showUser } from './users.js'

/** A process, other than this one, that has the store open. */
export interface Holder {
  readonly pid: number
  /** Null where it may not be asked. */
  readonly uid: number | null
  readonly command: string | null
}

/**
 * The processes that have the store open, as the kernel tells it: by their locks on the store's -shm, which
 * every user may read, and by their open files, where this user may. Null where the system tells nothing.
 */
export function findHolders(store: string): Holder[] | null {
  const locks = attempt(() => readFileSync('/proc/locks', 'utf8'))
  if (locks === null) return null
  const found = new Set(lockHolders(locks, store))
  for (const pid of processes()) if (hasOpen(pid, store)) found.add(pid)
  found.delete(process.pid)
  return [...found].sort((a, b) => a - b).map(describe)
}

/** Whether another process works with the same store now: a web process does while a stream is open. */
export function checkHolders({ store }: StorePlaces): Finding {
  const holders = findHolders(store)
  if (holders === null) return skip(`not known: ${process.platform} tells nothing of it`)
  const details = { holders }
  if (holders.length > 0) return pass(`the store is open in ${holders.map(show).join(', ')}`, details)
  return pass(
    'no other process has the store open now (a web process opens it with its first stream)',
    details,
  )
}

/** `process 4242 of alice (1000) (node app.js)`, and so on. */
export function showHolders(holders: readonly Holder[]): string {
  return holders.map(show).join(', ')
}

function show({ pid, uid, command }: Holder): string {
  const who = uid === null ? 'a user that cannot be seen' : showUser(uid)
  return `process ${pid} of ${who}${command ? ` (${command})` : ''}`
}

/** A line is: `1: POSIX  ADVISORY  READ 4242 08:01:131 128 128`; SQLite in WAL mode keeps one lock while it is open. */
function lockHolders(locks: string, store: string): number[] {
  const inodes = ['', '-wal', '-shm'].flatMap((end) => {
    const stats = attempt(() => statSync(`${store}${end}`))
    return stats ? [String(stats.ino)] : []
  })
  return locks.split('\n').flatMap((line) => {
    const [, pid, inode] = /\s(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)\s/.exec(line) ?? []
    return pid && inode && inodes.includes(inode) && Number(pid) > 0 ? [Number(pid)] : []
  })
}

function hasOpen(pid: number, store: string): boolean {
  const fds = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []
  return fds.some((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === store)
}

function processes(): number[] {
  return (attempt(() => readdirSync('/proc')) ?? []).filter((name) => /^\d+$/.test(name)).map(Number)
}

function describe(pid: number): Holder {
  const words = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean)) ?? []
  const command = words.join(' ').slice(0, 80)
  return { pid, uid: attempt(() => statSync(`/proc/${pid}`).uid), command: command || null }
}

function attempt<T>(work: () => T): T | null {
  try {
    return work()
  } catch {
    return null
  }
}
