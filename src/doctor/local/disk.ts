import { existsSync, readFileSync, realpathSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import bytes from 'bytes'
import { attempt } from '../../attempt.js'
import { networkOf } from '../../network-disk.js'
import { runChild } from '../child.js'
import { type Finding, fail, pass, reasonOf, skip, warn } from '../result.js'
import type { StorePlaces } from './places.js'

/** File systems of other machines that the watchers' own list does not name by number. */
const REMOTE = /^(nfs\d?|cifs|smb\d?|smbfs|ceph|9p|lustre|glusterfs|afs|gpfs|ocfs2|fuse(\..*)?)$/
const MB = 1024 * 1024
const QUOTA_TIME = 3000

/** What kind of file system the store and the signal file are on. */
export function checkFileSystem({ store, directory }: StorePlaces): Finding {
  const places = { store: kindOf(store), signals: kindOf(`${directory}/x`) }
  const seen =
    places.store === places.signals ? places.store : `store ${places.store}, signals ${places.signals}`
  if (places.store === null || places.signals === null) {
    return skip('not known: the system tells no kind of file system', null, places)
  }
  if (networkOf(nearest(store)) ?? (REMOTE.test(places.store) || null)) {
    return warn(
      `the store is on ${places.store}, a network or user-space file system`,
      'move FILE_SIGNAL_DATABASE to a local disk: SQLite locks weakly there, and file events are silent',
      places,
    )
  }
  if (networkOf(nearest(`${directory}/x`)) ?? (REMOTE.test(places.signals) || null)) {
    return warn(
      `the signal file is on ${places.signals}, whose file events tell nothing of other machines`,
      'move FILE_SIGNAL_DIR to a local disk, or leave it: signals are found by polling',
      places,
    )
  }
  return pass(`${seen}, a local disk`, places)
}

/** Room and inodes that are left on the store's file system. */
export function checkRoom({ store }: StorePlaces): Finding {
  let free: number
  let inodes: number | null
  try {
    const { bavail, bsize, ffree, files } = statfsSync(dirname(nearest(store)))
    free = bavail * bsize
    // Some file systems make inodes as they need them, and count none.
    inodes = files > 0 ? ffree : null
  } catch (error) {
    return skip(`not known: ${reasonOf(error)}`)
  }
  const details = { free, inodes }
  const seen = `${bytes.format(free, { unitSeparator: ' ' })} and ${inodes ?? 'uncounted'} inodes free`
  const remedy =
    'free some space, or lower retention.maxBytes; a full disk makes signal() fail with STORE_FULL'
  if (free < 8 * MB || (inodes !== null && inodes < 16)) return fail(seen, remedy, details)
  if (free < 200 * MB || (inodes !== null && inodes < 1000)) return warn(seen, remedy, details)
  return pass(seen, details)
}

/** The account's own quota, which the file system's figures do not show. */
export async function checkQuota(): Promise<Finding> {
  const { stdout, unstarted, timedOut, code } = await runChild('quota', ['-w', '-p'], QUOTA_TIME)
  const note = 'look into your panel: an account is often limited in ways that only the panel shows'
  if (unstarted) return skip(`not known: there is no quota command here (${unstarted})`, note)
  if (timedOut) return skip(`not known: quota did not answer within ${QUOTA_TIME} ms`, note)
  const limits = stdout.split('\n').flatMap(parseQuota)
  if (limits.length === 0) return skip(`not known: quota names no limit (exit code ${code})`, note)
  const tight = limits.filter(({ used, limit }) => used > limit * 0.9)
  const seen = limits.map(({ what, used, limit }) => `${used} of ${limit} ${what}`).join(', ')
  if (tight.length > 0) {
    return warn(seen, 'free some space: a full quota makes signal() fail with STORE_FULL', { limits })
  }
  return pass(seen, { limits })
}

interface Limit {
  readonly what: string
  readonly used: number
  readonly limit: number
}

/** A line is: file system, blocks, quota, limit, grace, files, quota, limit, grace. A limit of 0 is none. */
export function parseQuota(line: string): Limit[] {
  const [, blocks, soft, hard, , files, softFiles, hardFiles] =
    /^\s*\S+\s+(\d+)\*?\s+(\d+)\s+(\d+)\s+(\S+)\s+(\d+)\*?\s+(\d+)\s+(\d+)/.exec(line) ?? []
  if (files === undefined) return []
  const found = [
    { what: 'KiB', used: Number(blocks), limit: Number(hard) || Number(soft) },
    { what: 'files', used: Number(files), limit: Number(hardFiles) || Number(softFiles) },
  ]
  return found.filter(({ limit }) => limit > 0)
}

/** The name of the file system that a path is on, as the kernel lists it: `ext4`, `nfs4`, `fuse.sshfs`. */
export function kindOf(path: string): string | null {
  return mountOf(path)?.kind ?? null
}

/** A mounted file system, as the kernel lists it. */
export interface Mount {
  readonly at: string
  readonly kind: string
  /** `8:1`: the number that the kernel's own lists use; `stat` tells others where a file system has several parts. */
  readonly device: string
}

/** Where a path is mounted, with all links resolved; null where the system tells nothing. */
export function mountOf(path: string): Mount | null {
  const folder = attempt(() => realpathSync(dirname(nearest(path)))) ?? dirname(nearest(path))
  let best: Mount | null = null
  for (const mount of mounts()) {
    const { at } = mount
    const isAbove = at === '/' || folder === at || folder.startsWith(`${at}/`)
    // A later mount hides an earlier one at the same place.
    if (isAbove && at.length >= (best?.at.length ?? 0)) best = mount
  }
  return best
}

function mounts(): Mount[] {
  const text = attempt(() => readFileSync('/proc/self/mountinfo', 'utf8')) ?? ''
  return text.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , device, , escaped] = before.split(' ')
    const at = escaped?.replaceAll(/\\([0-7]{3})/g, (_, code) => String.fromCharCode(parseInt(code, 8)))
    const kind = after.split(' ')[0]
    return at && kind && device ? [{ at, kind, device }] : []
  })
}

/** A path in the nearest folder that exists already. */
function nearest(path: string): string {
  const folder = dirname(path)
  return existsSync(folder) || folder === dirname(folder) ? path : nearest(folder)
}
