import { FileSignalError, quotePath } from '../../errors.js'
import type { PayloadSite } from '../engine.js'

/** Notices that pruning is due and the lock is never free. */
export interface HeldLong {
  /** It was due, and another process had the lock. */
  held(): void
  /** It was not due, or it ran. */
  free(): void
}

/** Longer than pruning of the largest backlog takes. */
const HOUR = 3_600_000

/** Reports STORE_LOCKED once for each time that pruning could not begin for `longest` milliseconds. */
export function createHeldLong(
  lockFolder: string,
  { report, recovered }: Pick<PayloadSite, 'report' | 'recovered'>,
  longest = HOUR,
): HeldLong {
  let since: number | null = null
  let told = false

  return {
    held: () => {
      since ??= performance.now()
      if (told || performance.now() - since < longest) return
      told = true
      const time = `${Math.round(longest / 60_000)} minutes`
      report(new FileSignalError('STORE_LOCKED', `${quotePath(lockFolder)} has been held for ${time}`))
    },
    free: () => {
      since = null
      if (told) recovered?.('STORE_LOCKED')
      told = false
    },
  }
}
