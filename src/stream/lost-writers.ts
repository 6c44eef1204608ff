import type { PayloadEngine } from '../payload/engine.js'
import { endLost } from '../writer/lost.js'
import type { Outage } from './outage.js'

/** Looks after keys whose writers have died, for those who listen to them. */
export interface LostWriters {
  /** Ends their keys. Resolves when they are known; a store that is busy holds nobody up. Never rejects. */
  look(): Promise<void>
}

/** One look at a time: what a slow store has not answered is not asked again. */
export function createLostWriters(payload: () => PayloadEngine, outage: Outage): LostWriters {
  let looking: Promise<void> | null = null

  async function look(): Promise<void> {
    try {
      const { count, ended } = await endLost(payload())
      if (count > 0) ended.then(outage.worked, outage.failed)
    } catch {
      // The one reader asks the same store, and reports it.
    }
    looking = null
  }

  return {
    look: () => {
      looking ??= look()
      return looking
    },
  }
}
