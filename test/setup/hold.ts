import { createRequire } from 'node:module'

const Database: new (path: string) => { exec(sql: string): void; close(): void } = createRequire(
  import.meta.url,
)('better-sqlite3')

/** Holds the store's write lock, as a program with an open transaction does; call what it returns to let go. */
export function hold(place: string): () => void {
  const database = new Database(place)
  database.exec('BEGIN IMMEDIATE')
  return () => {
    database.exec('COMMIT')
    database.close()
  }
}
