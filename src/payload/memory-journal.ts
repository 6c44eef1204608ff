import { cutText } from './cut.js'
import type { Head, Journal, JournalKey, Row } from './engine.js'

const LOOKED_AT = 10_000

/** Looks at the newest of rows in memory, oldest first. */
export function createMemoryJournal(rows: () => readonly Row[], head: () => Head): Journal {
  return {
    read: async ({ after, maxRows, payloadBytes }) => {
      const standing = head()
      const known = after?.epoch === standing.epoch
      const newest = rows()
        .slice(-maxRows - 1)
        .filter(({ n }) => !known || n > after.n)
      const shown = maxRows > 0 ? newest.slice(-maxRows) : []
      return {
        head: standing,
        rows: shown.map((row) => ({
          ...row,
          payload: cutText(row.payload, payloadBytes),
          bytes: Buffer.byteLength(row.payload),
        })),
        skipped: known && newest.length > maxRows,
      }
    },
    keys: async ({ limit }) => {
      const found = new Map<string, JournalKey>()
      for (const { n, key, createdAt } of rows().slice(-LOOKED_AT)) {
        found.set(key, { key, rows: (found.get(key)?.rows ?? 0) + 1, newest: n, createdAt })
      }
      return [...found.values()].sort((a, b) => b.rows - a.rows || b.newest - a.newest).slice(0, limit)
    },
  }
}
