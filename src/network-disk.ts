import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * File system types, as statfs(2) gives them, of disks that belong to another machine, to the host of this one, or to a
 * program: watchers are silent about what is written elsewhere, and memory cannot be shared by all who read.
 */
const NETWORKS: Readonly<Record<number, string>> = Object.freeze({
  26985: 'NFS',
  20859: 'SMB',
  4266872130: 'SMB',
  4283649346: 'CIFS',
  // Those of user space: sshfs, and virtiofs, which Docker on a Mac uses.
  1702057286: 'FUSE',
  // WSL's /mnt/c, Docker on Windows, gVisor.
  16914839: '9p',
  2020557398: 'vboxsf',
  1785031267: 'fakeowner',
  3133910204: 'vmhgfs',
  2088527475: 'prl_fs',
  12805120: 'Ceph',
  198183888: 'Lustre',
  1196443219: 'GPFS',
  1397113167: 'AFS',
  1799439955: 'AFS',
  1937076805: 'Coda',
  1952539503: 'OCFS2',
  18225520: 'GFS2',
})

/** The kind of network file system that a file is on, or null for a local disk. Never throws. */
export function networkOf(path: string): string | null {
  if (process.platform !== 'linux') return null
  try {
    return nameOfType(statfsSync(dirname(path)).type)
  } catch {
    return null
  }
}

/** The name of a network file system by its number, null for all others. */
export function nameOfType(type: number): string | null {
  // Unsigned: on 32 bits numbers from 0x80000000 on come out negative.
  return NETWORKS[type >>> 0] ?? null
}
