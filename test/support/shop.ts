import { join } from 'node:path'
import { createFileSignal, type FileSignal, type FileSignalOptions, sqlite } from 'file-signal'
import { freshFolder } from './folder.js'
import { openRawDatabase, type RawDatabase } from './raw-database.js'

/** An application with a database of its own, open as it opens it: it waits 5 s for locks. */
export interface Shop {
  readonly root: string
  readonly path: string
  readonly db: RawDatabase
  /** Another connection to the same file; closed by close(). */
  open(): RawDatabase
  /** An instance in the shop's database; closed by close(). */
  events(options?: FileSignalOptions): FileSignal
  /** Inserts an order on the shop's own connection. */
  order(total: number): void
  orders(): number
  close(): Promise<void>
}

/** `journal` is the journal mode of the shop's database. */
export function createShop(journal = 'wal', root = freshFolder()): Shop {
  const path = join(root, 'shop.sqlite')
  const opened: RawDatabase[] = []
  const instances: FileSignal[] = []

  function open(): RawDatabase {
    const raw = openRawDatabase(path)
    opened.push(raw)
    return raw
  }

  const db = open()
  db.exec(`PRAGMA journal_mode = ${journal}; PRAGMA foreign_keys = ON;
    CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY, total REAL);
    CREATE TABLE IF NOT EXISTS lines (of INTEGER REFERENCES orders (id) DEFERRABLE INITIALLY DEFERRED)`)
  return {
    root,
    path,
    db,
    open,
    events: (options = {}) => {
      const instance = createFileSignal({ root, payload: sqlite({ database: db }), ...options })
      instances.push(instance)
      return instance
    },
    order: (total) => void db.prepare('INSERT INTO orders (total) VALUES (?)').run(total),
    orders: () => (db.prepare('SELECT count(*) AS n FROM orders').get() as { n: number }).n,
    close: async () => {
      for (const instance of instances) await instance.close()
      for (const raw of opened.splice(0)) raw.close()
    },
  }
}
