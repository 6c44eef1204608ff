import { openRawDatabase } from '../support/raw-database.js'

/** Holds the store's write lock, as a program with an open transaction does; call what it returns to let go. */
export function hold(place: string): () => void {
  const database = openRawDatabase(place)
  database.exec('BEGIN IMMEDIATE')
  return () => {
    database.exec('COMMIT')
    database.close()
  }
}
