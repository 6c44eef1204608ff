import { closeSync, openSync, readSync } from 'node:fs'
import { FileSignalError } from '../../index.js'
import { attempt } from './refusal.js'
import { lookAtFile } from './snapshot.js'

/** See docs/protocol.md: what every store of ours says of itself, at byte 68 of its first page. */
const APPLICATION_ID = 0x46536967
const ID_AT = 68
const MAGIC = 'SQLite format 3\0'
/** Lengths in a -wal file, as https://www.sqlite.org/fileformat2.html#the_write_ahead_log has them. */
const WAL_HEAD = 32
const FRAME_HEAD = 24
const SMALLEST_PAGE = 512

/**
 * Makes sure that a path is a store of ours before anything of it is deleted: an option, the environment or a
 * manifest may name any file. Opens nothing with SQLite, which may be missing. Nothing at the path passes.
 *
 * `mayBeEmpty` lets an empty file pass: that is what an app leaves that was killed while it made the store.
 *
 * Throws STORE_FOREIGN for any other file, PATH_UNSAFE for a link and for what is no file, SETUP_FAILED where
 * it cannot be read.
 */
export function assertOurStore(path: string, mayBeEmpty: boolean): void {
  const stats = lookAtFile(path)
  if (!stats || (stats.size === 0 && mayBeEmpty)) return
  const head = readBytes(path, 0, ID_AT + 4)
  const isSqlite = head.toString('latin1', 0, MAGIC.length) === MAGIC && head.length === ID_AT + 4
  if (isSqlite && (head.readUInt32BE(ID_AT) === APPLICATION_ID || saysSoInWal(`${path}-wal`))) return
  const what = isSqlite ? 'is another program’s database' : 'is no SQLite database'
  throw new FileSignalError('STORE_FOREIGN', `"${path}" ${what}, and is not deleted`, {
    remedy: 'name the store of file-signal with --database, or leave --data out',
  })
}

/** Until its first checkpoint a store has the id in its -wal alone: while the app runs, and after it was killed. */
function saysSoInWal(path: string): boolean {
  const size = lookAtFile(path)?.size ?? 0
  if (size < WAL_HEAD) return false
  const head = readBytes(path, 0, WAL_HEAD)
  const pageSize = head.readUInt32BE(8)
  if (pageSize < SMALLEST_PAGE) return false
  const salts = head.subarray(16, 24)
  for (let at = WAL_HEAD; at + FRAME_HEAD + pageSize <= size; at += FRAME_HEAD + pageSize) {
    const frame = readBytes(path, at, FRAME_HEAD + ID_AT + 4)
    if (frame.length < FRAME_HEAD + ID_AT + 4 || !frame.subarray(8, 16).equals(salts)) return false
    const isFirstPage = frame.readUInt32BE(0) === 1
    if (isFirstPage && frame.readUInt32BE(FRAME_HEAD + ID_AT) === APPLICATION_ID) return true
  }
  return false
}

function readBytes(path: string, at: number, length: number): Buffer {
  return attempt(path, 'read', () => {
    const fd = openSync(path, 'r')
    try {
      const bytes = Buffer.alloc(length)
      return bytes.subarray(0, readSync(fd, bytes, 0, length, at))
    } finally {
      closeSync(fd)
    }
  })
}
