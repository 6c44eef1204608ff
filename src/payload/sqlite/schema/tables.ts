/** What our tables are called, as SQL writes it. */
export interface Tables {
  readonly events: string
  readonly meta: string
  readonly standing: string
  readonly dedupes: string
  readonly pruned: string
  readonly claims: string
  readonly writers: string
  readonly sightings: string
}

/** The names in a store of our own, where `prefix` is empty, or beside another program's tables. */
export function tablesNamed(prefix: string): Tables {
  return Object.freeze({
    events: `${prefix}events`,
    meta: `${prefix}meta`,
    standing: `${prefix}standing`,
    dedupes: `${prefix}dedupes`,
    pruned: `${prefix}pruned`,
    claims: `${prefix}mailbox_claims`,
    writers: `${prefix}writer_leases`,
    sightings: `${prefix}lease_sightings`,
  })
}

/** In a store of our own, which has no other tables. */
export const OWN_TABLES = tablesNamed('')
/** In an application's own database, beside its tables. */
export const GUEST_TABLES = tablesNamed('file_signal_')
