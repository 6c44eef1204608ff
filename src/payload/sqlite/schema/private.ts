import type { Tables } from './tables.js'

/**
 * Tables that only this package reads and writes: other languages need not know them, so they are no part of
 * the schema's version. Times are milliseconds since 1970.
 *
 * A claim is a mailbox's event on its way to one stream, a writer is a key that somebody is writing to; `until` is
 * when each counts as abandoned.
 */
export const privateTables = ({ claims, writers }: Tables): string => `
  CREATE TABLE IF NOT EXISTS ${claims} (
    n INTEGER PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${claims}_until ON ${claims} (until);

  CREATE TABLE IF NOT EXISTS ${writers} (
    key TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${writers}_until ON ${writers} (until);
`
