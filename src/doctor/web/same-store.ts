import { quotePath } from '../../errors.js'
import { findHolders, showHolders } from '../local/holders.js'
import { type Finding, pass, skip, warn } from '../result.js'

/** The finding, and whether the address and this command are known to speak of one store. */
export interface SameStore {
  readonly isSame: boolean
  readonly finding: Finding
}

/**
 * Compares stores by their epoch, which every id holds: `here` is that of the local store, `cursor` an id from the
 * address, null where none has come.
 */
export function checkSameStore(store: string, here: string, cursor: string | null): SameStore {
  const there = cursor?.split('-')[0] || null
  const details = { here, there }
  if (there === null) {
    return { isSame: false, finding: skip('not known: no cursor has come through', null, details) }
  }
  if (there === here) {
    const holders = findHolders(store) ?? []
    const who = holders.length > 0 ? `, open in ${showHolders(holders)}` : ''
    return { isSame: true, finding: pass(`the stream reads the store that is used here${who}`, details) }
  }
  return {
    isSame: false,
    finding: warn(
      `the stream reads another store than ${quotePath(store)}: what is signalled here never arrives there`,
      'compare `file-signal stats` with `await events.stats()` in the web process: both tell their root and its rule (on another machine this is as it must be)',
      details,
    ),
  }
}
