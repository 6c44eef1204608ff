import { readdirSync, readlinkSync } from 'node:fs'
import { attempt } from '../../attempt.js'
import { findHolders } from '../local/holders.js'

/**
 * The sockets of all processes that have the store open, by the kernel's own table. Null where there is no
 * such process, or where this user may not look into it.
 */
export function socketsOfApp(store: string): Set<string> | null {
  const found = new Set<string>()
  let looked = false
  for (const { pid } of findHolders(store) ?? []) {
    const fds = attempt(() => readdirSync(`/proc/${pid}/fd`))
    if (!fds) continue
    looked = true
    for (const fd of fds) {
      const name = attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? ''
      if (name.startsWith('socket:')) found.add(name)
    }
  }
  return looked ? found : null
}
