import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/** File system types, as statfs(2) gives them, whose watchers are silent about what other machines write. */
const NETWORKS: Readonly<Record<number, string>> = Object.freeze({
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB',
  4283649346: 'CIFS',
  1702057286: 'FUSE',
})

/** The kind of network file system that a file is on, or null for a local disk. Never throws. */
export function networkOf(path: string): string | null {
  if (process.platform !== 'linux') return null
  try {
    // Unsigned: on 32 bits the last two come out negative.
    return NETWORKS[statfsSync(dirname(path)).type >>> 0] ?? null
  } catch {
    return null
  }
}
