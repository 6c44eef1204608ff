import { FileSignalError } from '../../errors.js'
import type { PayloadSite } from '../engine.js'
import type { Stamped } from './ages.js'
import { isClock } from './stamp.js'

/** Notices that the machine's clock is not set, or disagrees with what is stored. */
export interface ClockWatch {
  /** `ahead` is the newest row, where it is from the future. */
  look(ahead: Stamped | null): void
}

/** Reports CLOCK_WRONG once for each time that it begins. */
export function createClockWatch({
  report,
  recovered,
}: Pick<PayloadSite, 'report' | 'recovered'>): ClockWatch {
  let told = false
  return {
    look: (ahead) => {
      const what = wrong(Date.now(), ahead)
      if (what !== null && !told) report(new FileSignalError('CLOCK_WRONG', what))
      if (what === null && told) recovered?.('CLOCK_WRONG')
      told = what !== null
    },
  }
}

function wrong(now: number, ahead: Stamped | null): string | null {
  const today = new Date(now).toISOString()
  if (!isClock(now))
    return `the clock of this machine says ${today}, and no event is pruned by its age until it is set`
  if (ahead === null) return null
  return `event ${ahead.n} was stored with the time ${ahead.at}, and now is ${now} (${today})`
}
