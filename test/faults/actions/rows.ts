import { findProgram } from '../../setup/program.js'
import type { Fault } from './fault.js'

const TABLES = [
  'events',
  'standing',
  'meta',
  'pruned',
  'dedupes',
  'mailbox_claims',
  'writer_leases',
  'lease_sightings',
]

/** What operators, cleaners and schema tools do to rows and tables. */
export const ROWS: readonly Fault[] = [
  sql('vacuum', 0, () => 'VACUUM;'),
  sql('checkpoint', 0, () => 'PRAGMA wal_checkpoint(TRUNCATE);'),
  sql('delete-rows', 1, () => 'DELETE FROM events WHERE id % 2 = 0;'),
  sql('delete-vacuum', 1, () => 'DELETE FROM events; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);'),
  sql('delete-sequence', 1, () => 'DELETE FROM sqlite_sequence;'),
  sql(
    'delete-all-and-sequence',
    1,
    () => 'BEGIN IMMEDIATE; DELETE FROM events; DELETE FROM sqlite_sequence; COMMIT;',
  ),
  sql(
    'empty-tables',
    1,
    () => `BEGIN IMMEDIATE; ${TABLES.map((table) => `DELETE FROM ${table};`).join(' ')} COMMIT;`,
  ),
  sql('drop-table', 1, (pick) => `DROP TABLE ${pick(TABLES)};`),
  sql(
    'drop-all',
    1,
    () => `BEGIN IMMEDIATE; ${TABLES.map((table) => `DROP TABLE ${table};`).join(' ')} COMMIT;`,
  ),
  {
    kind: 'drop-trigger',
    lane: 'store',
    resets: 1,
    missing: () => (findProgram('sqlite3') ? null : 'sqlite3 is not installed'),
    act: async ({ world }, random) => {
      const { stdout } = await world.sqlite(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name;",
      )
      const names = stdout.split('\n').filter(Boolean)
      if (names.length === 0) return 'there are none'
      const name = random.pick(names)
      return `${name} ${(await world.sqlite(`DROP TRIGGER ${name};`)).stderr}`
    },
  },
]

function sql(
  kind: string,
  resets: number,
  text: (pick: (list: readonly string[]) => string) => string,
): Fault {
  return {
    kind,
    lane: 'store',
    resets,
    missing: () => (findProgram('sqlite3') ? null : 'sqlite3 is not installed'),
    act: async ({ world }, random) => {
      const script = text(random.pick)
      const { stderr } = await world.sqlite(script)
      return `${script.length > 60 ? '' : script} ${stderr}`
    },
  }
}
