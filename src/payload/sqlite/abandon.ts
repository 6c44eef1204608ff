import { fstatSync, readdirSync, readSync, writeSync } from 'node:fs'
import type { Connection } from './connection.js'

/**
 * Closes a connection whose -wal or -shm is no longer the one at the path, without a trace.
 *
 * The last connection that SQLite closes copies its -wal into the main file and unlinks -wal and -shm at the path; here
 * that would lay old pages over newer ones, and throw away what others have committed since. SQLite gives that up when
 * it cannot read the index of the -wal: so the index, which only connections to the lost files share, is marked as one
 * of an unknown version. Whoever else is still on it gets SQLITE_CANTOPEN from then on, looks, and opens anew.
 *
 * Where the system has no /proc, it is closed all the same.
 */
export function abandon(connection: Connection): void {
  const { inode, shm } = connection.files
  try {
    const fd = shm === 0 ? null : descriptorOf(Number(inode.split(':')[0]), shm)
    if (fd !== null) spoilIndex(fd)
  } catch {
    // Opened for reading only: then SQLite cannot use it for copying either.
  }
  connection.close()
}

/** https://www.sqlite.org/walformat.html: the header of the index stands there twice, 48 bytes each. */
const HEADER = 48
const CHECKED = 40
const VERSION = 3_007_000
const UNKNOWN_VERSION = 0xffffffff
const INITIALISED = 12

function spoilIndex(fd: number): void {
  const header = Buffer.alloc(HEADER)
  readSync(fd, header, 0, HEADER, 0)
  // Words are in the machine's own order.
  const words = new Uint32Array(header.buffer, header.byteOffset, HEADER / 4)
  if (words[0] !== VERSION && words[0] !== 0) return
  words[0] = UNKNOWN_VERSION
  header[INITIALISED] = 1
  let [a, b] = [0, 0]
  for (let i = 0; i < CHECKED / 4; i += 2) {
    a = (a + (words[i] as number) + b) >>> 0
    b = (b + (words[i + 1] as number) + a) >>> 0
  }
  words[CHECKED / 4] = a
  words[CHECKED / 4 + 1] = b
  // SQLite reads the first copy, then the second: written the other way round they differ until both are there.
  writeSync(fd, header, 0, HEADER, HEADER)
  writeSync(fd, header, 0, HEADER, 0)
}

/** SQLite's own descriptor of the file with an inode: opening it by ourselves would drop SQLite's locks on it. */
function descriptorOf(device: number, inode: number): number | null {
  for (const name of descriptors()) {
    try {
      const stats = fstatSync(Number(name))
      if (stats.ino === inode && stats.dev === device && stats.isFile()) return Number(name)
    } catch {
      // It was the listing's own.
    }
  }
  return null
}

function descriptors(): readonly string[] {
  try {
    return readdirSync('/proc/self/fd')
  } catch {
    return []
  }
}
