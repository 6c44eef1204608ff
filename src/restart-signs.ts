import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { resolved } from './deploy-links.js'

/** What tells on disk that a new process is to take over. */
export interface RestartSigns {
  /** True where one of them has changed since the last call, or since they were first looked at. Never rejects. */
  changed(): Promise<boolean>
}

type Version = string | null

interface Look {
  readonly files: readonly Version[]
  readonly targets: readonly Version[]
}

/**
 * Looks at `tmp/restart.txt` of a root, and at the same file through each link that led to the root: a deploy of
 * releases switches the link `current` and touches `current/tmp/restart.txt`, which is the new release's file. So a
 * link that leads elsewhere is a sign too.
 *
 * The first look begins at once.
 */
export function createRestartSigns(root: string, links: Promise<readonly string[]>): RestartSigns {
  let known = begin()

  /** A link may lead elsewhere by the time that it is looked at; a moment ago it led here. */
  async function begin(): Promise<Look> {
    const own = versionOf(fileIn(root))
    const others = await links
    const targets = await Promise.all(others.map(resolved))
    const files = others.map((link, i) => (targets[i] === root ? own : versionOf(fileIn(link))))
    return { files: await Promise.all([own, ...files]), targets }
  }

  async function look(): Promise<Look> {
    const others = await links
    return {
      files: await Promise.all([root, ...others].map((folder) => versionOf(fileIn(folder)))),
      targets: await Promise.all(others.map(resolved)),
    }
  }

  return {
    changed: async () => {
      const before = await known
      const now = await look()
      // `ln -sfn` takes the old link away first: what it led to is to be remembered meanwhile.
      const targets = now.targets.map((target, i) => target ?? before.targets[i] ?? null)
      known = Promise.resolve({ ...now, targets })
      return differ(before.files, now.files) || differ(before.targets, targets)
    },
  }
}

/** The paths through which this process was told of its root; null where there is no such path. */
export function namesGiven(option: string | null): (string | null | undefined)[] {
  const { env, argv } = process
  return [
    option,
    env.FILE_SIGNAL_ROOT,
    env.LSNODE_ROOT,
    passengerRoot(),
    env.PWD,
    env.pm_cwd,
    env.pm_exec_path,
    argv[1],
  ]
}

function fileIn(folder: string): string {
  return join(folder, 'tmp', 'restart.txt')
}

function passengerRoot(): string | null {
  const { PhusionPassenger: passenger } = globalThis as {
    PhusionPassenger?: { options?: { app_root?: unknown } }
  }
  const root = passenger?.options?.app_root
  return typeof root === 'string' ? root : null
}

function differ(before: readonly Version[], now: readonly Version[]): boolean {
  return now.some((version, i) => version !== null && version !== before[i])
}

/** Changes with the file; null where there is none. */
async function versionOf(file: string): Promise<Version> {
  try {
    const { mtimeMs, ino, size } = await stat(file)
    return `${mtimeMs} ${ino} ${size}`
  } catch {
    return null
  }
}
