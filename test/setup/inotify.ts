import { execFileSync } from 'node:child_process'

/** A command that runs another where the kernel refuses inotify with EMFILE, or null where that cannot be had. */
export function withoutInotify(): string[] | null {
  const prefix = ['unshare', '--user', '--map-root-user', 'sh', '-c']
  const refuse = 'echo 0 > /proc/sys/user/max_inotify_instances'
  try {
    execFileSync('unshare', [...prefix.slice(1), refuse], { stdio: 'pipe' })
    return [...prefix, `${refuse} && exec "$0" "$@"`]
  } catch {
    return null
  }
}
