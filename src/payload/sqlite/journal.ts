import { cutText } from '../cut.js'
import type { Journal, JournalKey, JournalPage, JournalRequest } from '../engine.js'
import type { Connection } from './connection.js'
import type { Opener } from './opener.js'
import { ROW, type StoredRow, toRow } from './rows.js'

/** Rows that are looked at for the busiest keys: some 3 ms, however large the store is. */
const LOOKED_AT = 10_000

interface Statements {
  read(request: JournalRequest): JournalPage
  keys(limit: number): JournalKey[]
}

/** Looks at the newest rows of the store behind `opener`. */
export function createJournal(opener: () => Opener): Journal {
  const prepared = new WeakMap<Connection, Statements>()

  /** Hardly any process ever looks: most need not prepare the statements. */
  function of(connection: Connection): Statements {
    const statements = prepared.get(connection) ?? prepareJournal(connection)
    prepared.set(connection, statements)
    return statements
  }

  return {
    read: async (request) => opener().run(({ connection }) => of(connection).read(request)),
    keys: async ({ limit }) => opener().run(({ connection }) => of(connection).keys(limit)),
  }
}

function prepareJournal(connection: Connection): Statements {
  const { events } = connection.tables
  const bytes = 'length(CAST(payload AS BLOB)) AS bytes'
  const cut = ROW.replace('payload', 'substr(payload, 1, ?) AS payload')
  const selectNewest = connection.prepare(
    `SELECT ${cut}, ${bytes} FROM ${events} WHERE id > ? ORDER BY id DESC LIMIT ?`,
  )
  const newest = `SELECT id, key, created_at FROM ${events} ORDER BY id DESC LIMIT ${LOOKED_AT}`
  // Beside a lone max() SQLite takes the other columns from the row that has it.
  const selectKeys = connection.prepare(
    `SELECT key, count(*) AS rows, max(id) AS newest, created_at AS createdAt FROM (${newest})
      GROUP BY key ORDER BY rows DESC, newest DESC LIMIT ?`,
  )

  return {
    read: ({ after, maxRows, payloadBytes }) =>
      connection.transaction('BEGIN', () => {
        const head = connection.head()
        const known = after?.epoch === head.epoch
        const found = selectNewest.all(payloadBytes, known ? after.n : 0, maxRows + 1) as JournalStored[]
        const rows = found
          .slice(0, maxRows)
          .reverse()
          .map((row) => ({
            ...toRow(row),
            payload: cutText(row.payload, payloadBytes),
            bytes: row.bytes,
          }))
        return { head, rows, skipped: known && found.length > maxRows }
      }),
    keys: (limit) => selectKeys.all(limit) as JournalKey[],
  }
}

interface JournalStored extends StoredRow {
  readonly bytes: number
}
