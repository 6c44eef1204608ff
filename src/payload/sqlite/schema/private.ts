import type { Tables } from './tables.js'

/**
 * Tables that only this package reads and writes: other languages need not know them, so they are no part of
 * the schema's version. What they hold is short-lived: another shape gets other names.
 *
 * A claim is a mailbox's event on its way to one stream, a writer is a key that somebody is writing to; both are
 * leases of `lasts` milliseconds, `until` is when each counts as abandoned by the clock that `clock` names, and a
 * sighting says the same by the clock of somebody who reads another one. See deadlines.ts.
 */
export const privateTables = ({ claims, writers, sightings }: Tables): string => `
  CREATE TABLE IF NOT EXISTS ${claims} (
    n INTEGER PRIMARY KEY,
    holder TEXT NOT NULL,
    lasts INTEGER NOT NULL,
    clock TEXT NOT NULL,
    until INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${claims}_until ON ${claims} (clock, until);

  CREATE TABLE IF NOT EXISTS ${writers} (
    key TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    lasts INTEGER NOT NULL,
    clock TEXT NOT NULL,
    until INTEGER NOT NULL
  );
  CREATE INDEX IF NOT EXISTS ${writers}_until ON ${writers} (clock, until);

  CREATE TABLE IF NOT EXISTS ${sightings} (
    holder TEXT NOT NULL,
    clock TEXT NOT NULL,
    renewed INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (holder, clock)
  );
`
