import { randomBytes } from 'node:crypto'
import {
  existsSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { attempt } from '../../attempt.js'
import { codeOf } from '../../errors.js'
import { type Finding, fail, pass, reasonOf, showTime, skip, warn } from '../result.js'
import type { StorePlaces } from './places.js'

const TIME = 1000
const LIMITS = '/proc/sys/fs/inotify'

/** Use of a limited thing: `used` counts what could be seen, `limit` is null where the system tells none. */
interface Use {
  readonly used: number
  readonly limit: number | null
}

/**
 * Watches a file of its own in the signal folder, writes it, and waits for the event. The file is removed.
 * Where no event comes, signals are found by polling: slower, and nothing is lost.
 */
export async function checkWatching({ directory }: StorePlaces): Promise<Finding> {
  if (!existsSync(directory)) return skip('the signal folder is not there yet')
  const file = join(directory, `doctor-${randomBytes(6).toString('hex')}.probe`)
  const use = countUse()
  try {
    // Two users' doctors may meet here, and a link must not be followed.
    writeFileSync(file, '0', { flag: 'wx', mode: 0o600 })
  } catch (error) {
    return fail(`no file can be made in ${directory} (${codeOf(error)})`, 'see "rights"')
  }
  try {
    const { time, fault } = await selfTest(file)
    if (time !== null) return weigh(time, use)
    return warn(
      `no event came: ${fault}; ${showUse(use)}`,
      fault === 'EMFILE' || fault === 'ENOSPC'
        ? 'ask for higher fs.inotify limits, or leave it: signals are then found by polling every 100 ms'
        : 'leave it: signals are then found by polling every 100 ms, and nothing is lost',
      use ?? {},
    )
  } finally {
    rmSync(file, { force: true })
  }
}

async function selfTest(file: string): Promise<{ time: number | null; fault: string }> {
  let watcher: ReturnType<typeof watch>
  try {
    watcher = watch(file)
  } catch (error) {
    return { time: null, fault: codeOf(error) || reasonOf(error) }
  }
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve) => {
      const began = performance.now()
      timer = setTimeout(() => resolve({ time: null, fault: `silent for ${TIME} ms` }), TIME)
      watcher.once('change', () => resolve({ time: performance.now() - began, fault: '' }))
      watcher.once('error', (error) => resolve({ time: null, fault: codeOf(error) || reasonOf(error) }))
      writeFileSync(file, '1')
    })
  } finally {
    clearTimeout(timer)
    watcher.close()
  }
}

function weigh(time: number, use: Record<'instances' | 'watches', Use> | null): Finding {
  const seen = `a write brought its event in ${showTime(time)}; ${showUse(use)}`
  const details = { time, ...use }
  const [tight] = Object.entries(use ?? {}).filter(
    ([, { used, limit }]) => limit !== null && used > limit * 0.9,
  )
  if (!tight) return pass(seen, details)
  return warn(
    seen,
    `little is left: raise fs.inotify.max_user_${tight[0]}, or end what watches so many files`,
    details,
  )
}

function showUse(use: Record<'instances' | 'watches', Use> | null): string {
  if (!use) return 'limits not known'
  const show = (name: 'instances' | 'watches'): string =>
    `${use[name].used} of ${use[name].limit ?? 'an unknown number of'} ${name}`
  return `this user has ${show('instances')} and ${show('watches')}`
}

/** What this user's processes hold; null where there is no /proc. Those of other containers count too, unseen. */
function countUse(): Record<'instances' | 'watches', Use> | null {
  if (!existsSync(LIMITS)) return null
  let instances = 0
  let watches = 0
  for (const pid of ownProcesses()) {
    for (const fd of inotifyOf(pid)) {
      instances += 1
      watches += read(`/proc/${pid}/fdinfo/${fd}`)
        .split('\n')
        .filter((line) => line.startsWith('inotify ')).length
    }
  }
  return {
    instances: { used: instances, limit: limitOf('max_user_instances') },
    watches: { used: watches, limit: limitOf('max_user_watches') },
  }
}

function ownProcesses(): string[] {
  const uid = process.geteuid?.()
  return readFolder('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false
    return attempt(() => statSync(`/proc/${name}`).uid) === uid
  })
}

function inotifyOf(pid: string): string[] {
  return readFolder(`/proc/${pid}/fd`).filter(
    (fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === 'anon_inode:inotify',
  )
}

function limitOf(name: string): number | null {
  const text = read(`${LIMITS}/${name}`).trim()
  return text === '' ? null : Number(text)
}

function readFolder(path: string): string[] {
  return attempt(() => readdirSync(path)) ?? []
}

function read(path: string): string {
  return attempt(() => readFileSync(path, 'utf8')) ?? ''
}
