import { existsSync, writeFileSync } from 'node:fs'
import { openDatabase } from '../../dist/payload/sqlite/driver.js'

/** A SQLite file as any other program sees it; integers are numbers. */
export interface RawDatabase {
  prepare(sql: string): {
    run(...values: unknown[]): { changes: number | bigint }
    get(...values: unknown[]): unknown
    all(...values: unknown[]): unknown[]
  }
  exec(sql: string): void
  close(): void
}

/**
 * Opens a file, made where there is none, and waits up to 5 s for locks as a plain program does.
 *
 * With the store's own driver: two copies of SQLite in one process drop each other's locks.
 */
export function openRawDatabase(path: string): RawDatabase {
  // Opening a store's file with fs and closing it again would drop the locks of this process.
  if (!existsSync(path)) writeFileSync(path, '')
  const database = openDatabase(path) as unknown as RawDatabase
  database.exec('PRAGMA busy_timeout = 5000')
  return database
}
