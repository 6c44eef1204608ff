import { readdirSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { attempt } from '../../attempt.js'
import { real } from '../../paths.js'
import { type Finding, fail, pass, skip } from '../result.js'
import { type Holder, processes, processHolder, showHolder } from './holders.js'
import type { StorePlaces } from './places.js'

/** A process that works on files which are not the ones at the store's path any more. */
export interface Stray extends Holder {
  /** Names of those files, such as `sse_payloads.sqlite-wal`. */
  readonly files: readonly string[]
}

const ENDS = ['', '-wal', '-shm']
const DELETED = / \(deleted\)$/

/**
 * The processes, this one too, that have a deleted or replaced file of the store open, as far as this user may see.
 * What they store, nobody reads. Null where the system tells nothing.
 */
export function findStrays(store: string): Stray[] | null {
  const all = processes()
  if (all.length === 0) return null
  // As the kernel names it: the store's folder may be a link.
  const path = join(real(dirname(store)) ?? dirname(store), basename(store))
  const files = new Map(ENDS.map((end) => [`${basename(store)}${end}`, `${path}${end}`]))
  return all.flatMap((pid) => {
    const opened = openFiles(pid, files)
    // Another container may have a store of the same name: it counts where one of the files is ours.
    const isOurs = opened.some(({ path, isCurrent, at }) => isCurrent || at === path)
    const lost = isOurs ? opened.filter(({ isCurrent }) => !isCurrent).map(({ name }) => name) : []
    return lost.length > 0 ? [{ ...processHolder(pid), files: [...new Set(lost)].sort() }] : []
  })
}

/** Whether every process works on the files that stand at the path. Looks twice: one may just be letting go. */
export async function checkOpenFiles({ store }: StorePlaces): Promise<Finding> {
  const first = findStrays(store)
  if (first === null) return skip(`not known: ${process.platform} tells nothing of it`)
  if (first.length > 0) await new Promise((resolve) => setTimeout(resolve, 100))
  const strays = first.length > 0 ? (findStrays(store) ?? []) : []
  if (strays.length === 0)
    return pass('no process that can be seen is on deleted or replaced files of the store')
  const seen = strays
    .map((stray) => `${showHolder(stray)} has deleted ${stray.files.join(', ')} open`)
    .join('; ')
  const pids = strays.map(({ pid }) => pid).join(', ')
  return fail(
    `${seen}: what it stores there nobody reads`,
    `restart process ${pids} (file-signal takes the new files by itself at its next call, other programs do not), and keep cleaners, sync tools and copies away from ${store} and its -wal and -shm`,
    { strays },
  )
}

interface OpenFile {
  readonly name: string
  /** Where the kernel says that it is, or was. */
  readonly at: string
  /** Where it belongs. */
  readonly path: string
  readonly isCurrent: boolean
}

function openFiles(pid: number, files: ReadonlyMap<string, string>): OpenFile[] {
  const fds = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? []
  return fds.flatMap((fd) => {
    const link = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`))
    const at = link?.replace(DELETED, '') ?? ''
    const name = basename(at)
    const path = files.get(name)
    const stats = path === undefined ? null : attempt(() => statSync(`/proc/${pid}/fd/${fd}`))
    if (path === undefined || stats === null) return []
    return [
      {
        name,
        at,
        path,
        isCurrent: isSame(
          stats,
          attempt(() => statSync(path)),
        ),
      },
    ]
  })
}

function isSame(open: Stats, there: Stats | null): boolean {
  return there !== null && open.ino === there.ino && open.dev === there.dev
}
