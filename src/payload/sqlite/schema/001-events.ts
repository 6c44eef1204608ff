import { EARLIEST } from '../stamp.js'
import type { Tables } from './tables.js'

/**
 * Schema 1. Any language may write here, so the tables refuse what a stream could not send, and old
 * SQLite (3.7.17) must be able to read the schema: no STRICT, no partial index, no upsert, no JSON.
 *
 * `events.kind` is 0 for an event and 1 for the end of a key. `created_at` is milliseconds; the check
 * catches writers that store seconds, whose rows would look 50 years old to the pruner. A machine whose clock is not
 * set yet stores the earliest time that it takes.
 * `standing` is one row, which every read needs.
 * The trigger marks, in the transaction of any DELETE, how far each key was pruned.
 *
 * Whatever is there already stays, so that the same text makes again what was dropped or emptied. `epoch` names a new
 * store at its birth: other languages may read it as soon as there are tables.
 */
const NAME = (column: string) => `typeof(${column}) = 'text'
      AND length(${column}) BETWEEN 1 AND 200
      AND length(CAST(${column} AS BLOB)) <= 800
      AND instr(${column}, char(0)) = 0
      AND ${column} NOT GLOB '${CONTROL}'`

// As a literal: put together with char() it would be put together anew for each row, a tenth of an insert.
const CONTROL = '*[\u0001-\u001f\u007f-\u009f]*'

const NOW = `CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)`

export const schema001 = ({ events, meta, standing, dedupes, pruned }: Tables, epoch: string): string => `
  CREATE TABLE IF NOT EXISTS ${meta} (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
  );

  CREATE TABLE IF NOT EXISTS ${standing} (
    epoch TEXT NOT NULL,
    start INTEGER NOT NULL,
    floor INTEGER NOT NULL,
    marked INTEGER NOT NULL
  );

  CREATE TABLE IF NOT EXISTS ${events} (
    id INTEGER PRIMARY KEY AUTOINCREMENT CHECK (id BETWEEN 1 AND 9007199254740991),
    key TEXT NOT NULL CHECK (${NAME('key')}),
    event TEXT CHECK (event IS NULL OR (${NAME('event')}
      AND event NOT IN ('open', 'error', 'ready', 'reset', 'end', 'hello'))),
    payload TEXT NOT NULL CHECK (typeof(payload) = 'text'
      AND length(CAST(payload AS BLOB)) BETWEEN 1 AND 1048576
      AND instr(payload, char(0)) = 0),
    kind INTEGER NOT NULL DEFAULT 0 CHECK (kind IN (0, 1)),
    created_at INTEGER NOT NULL DEFAULT (max(${NOW}, ${EARLIEST}))
      CHECK (typeof(created_at) = 'integer' AND created_at BETWEEN ${EARLIEST} AND 9007199254740991)
  );
  CREATE INDEX IF NOT EXISTS ${events}_key ON ${events} (key);

  CREATE TABLE IF NOT EXISTS ${dedupes} (
    n INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    dedupe TEXT NOT NULL,
    UNIQUE (key, dedupe)
  );

  CREATE TABLE IF NOT EXISTS ${pruned} (
    key TEXT PRIMARY KEY,
    n INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    at INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${pruned}_n ON ${pruned} (n);

  CREATE TRIGGER IF NOT EXISTS ${events}_pruned AFTER DELETE ON ${events} BEGIN
    INSERT OR REPLACE INTO ${pruned} (key, n, kind, at)
      SELECT OLD.key, OLD.id, OLD.kind, ${NOW}
      WHERE NOT EXISTS (SELECT 1 FROM ${pruned} WHERE key = OLD.key AND n >= OLD.id);
    UPDATE ${standing} SET marked = OLD.id WHERE marked < OLD.id;
    DELETE FROM ${dedupes} WHERE n = OLD.id;
  END;

  CREATE TRIGGER IF NOT EXISTS ${events}_never_altered BEFORE UPDATE ON ${events} BEGIN
    SELECT RAISE(ABORT, 'a stored event is never altered');
  END;

  INSERT INTO sqlite_sequence (name, seq)
    SELECT '${events}', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '${events}');
  INSERT INTO ${standing} (epoch, start, floor, marked)
    SELECT '${epoch}', 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM ${standing});
`
