import { closeSync, openSync, watch, writeSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'

/**
 * The least code that carries an event from one process to the browsers of another, to measure
 * file-signal against: one insert, one touch, fs.watch, one read after a cursor, one frame per event
 * written to each response. No replay after a crash, no bounds, no heartbeat, no retention.
 */
export function openBareDesign(folder) {
  const database = new Database(join(folder, 'bare.sqlite'))
  enableWal(database)
  database.pragma('synchronous = NORMAL')
  database.exec(`
    CREATE TABLE IF NOT EXISTS events (
      id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL, payload TEXT NOT NULL, created_at INTEGER NOT NULL
    );
    CREATE INDEX IF NOT EXISTS events_key_id ON events (key, id)`)
  const insert = database.prepare('INSERT INTO events (key, payload, created_at) VALUES (?, ?, ?)')
  const after = database.prepare('SELECT id, key, payload FROM events WHERE id > ? ORDER BY id')
  const history = database.prepare('SELECT id, payload FROM events WHERE key = ? ORDER BY id')
  const path = join(folder, 'bare.signal')
  const file = openSync(path, 'a+')
  closeSync(file)
  const signalFile = openSync(path, 'r+')

  const insertAll = database.transaction((entries) => {
    let id = 0
    for (const { key, payload } of entries) {
      id = insert.run(key, JSON.stringify(payload), Date.now()).lastInsertRowid
    }
    return id
  })
  const touch = (id) => writeSync(signalFile, String(id), 0)

  const streams = new Map()
  let watcher = null
  let cursor = 0

  function deliver() {
    for (const row of after.all(cursor)) {
      cursor = row.id
      const responses = streams.get(row.key)
      if (!responses) continue
      const frame = `id: ${row.id}\ndata: ${row.payload}\n\n`
      for (const response of responses) response.write(frame)
    }
  }

  return {
    signal: (key, payload) => touch(insert.run(key, JSON.stringify(payload), Date.now()).lastInsertRowid),
    signalMany: (entries) => touch(insertAll(entries)),
    /** Answers `?key=K` with a stream, and with `&replay` with the key's history first. */
    handler(request, response) {
      watcher ??= watch(path, deliver)
      const query = new URL(request.url, 'http://localhost').searchParams
      const key = query.get('key')
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('event: ready\ndata: {}\n\n')
      if (query.has('replay')) {
        for (const { id, payload } of history.all(key)) response.write(`id: ${id}\ndata: ${payload}\n\n`)
      }
      const responses = streams.get(key) ?? new Set()
      streams.set(key, responses.add(response))
      response.on('close', () => responses.delete(response))
    },
    async close() {
      watcher?.close()
      closeSync(signalFile)
      database.close()
    },
  }
}

/** Two processes open it in the same moment, and SQLite lets nobody wait who changes the journal mode. */
function enableWal(database) {
  for (let tries = 1; ; tries += 1) {
    try {
      return database.pragma('journal_mode = WAL')
    } catch (error) {
      if (error.code !== 'SQLITE_BUSY' || tries === 100) throw error
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
  }
}
