import { lstatSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { DiskUse } from '../engine.js'
import type { Connection } from './connection.js'

/** Bytes that the store takes on the disk. Costs a few lstat calls; opens nothing. */
export function diskUse(path: string): DiskUse {
  return { file: sizeOf(path), wal: sizeOf(`${path}-wal`), aside: sizeAside(path) }
}

/** Pages of a store, and those of them that are free. */
export interface Pages {
  readonly all: number
  readonly free: number
  readonly size: number
  /** True where free pages can be given back a few at a time. */
  readonly canShrink: boolean
}

export function pagesOf(connection: Connection): Pages {
  const row = connection
    .prepare(
      `SELECT page_count AS "all", freelist_count AS free, page_size AS size, auto_vacuum AS vacuum
        FROM pragma_page_count, pragma_freelist_count, pragma_page_size, pragma_auto_vacuum`,
    )
    .get() as Omit<Pages, 'canShrink'> & { vacuum: number }
  return { all: row.all, free: row.free, size: row.size, canShrink: row.vacuum === 2 }
}

/** Damaged stores that were set aside stay until somebody has looked at them. */
function sizeAside(path: string): number {
  const name = `${basename(path)}.damaged-`
  try {
    const found = readdirSync(dirname(path)).filter((file) => file.startsWith(name))
    return found.reduce((sum, file) => sum + sizeOf(join(dirname(path), file)), 0)
  } catch {
    return 0
  }
}

/** Bytes of a file, 0 where there is none to see. */
export function sizeOf(path: string): number {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
  } catch {
    return 0
  }
}
