import type { Claim, Mailbox } from '../../payload/engine.js'
import type { Outage } from '../outage.js'

/** Tells the store what became of claims: as one call for all that a turn of the loop brings, again where it failed. */
export interface Claims {
  /** The event has left for its reader. */
  taken(claim: Claim): void
  /** The event has not left, and may go to another reader. */
  giveBack(claim: Claim): void
  /** Tells again what the store did not take. */
  retry(): void
  /** Resolves when the store was told, or has refused to be: then the leases run out. */
  told(): Promise<void>
}

export interface ClaimsSite {
  readonly mailbox: () => Mailbox
  readonly outage: Outage
  /** The store knows. */
  readonly onTold: () => void
  /** Something was given back: another process may want it. */
  readonly wake: () => Promise<void>
}

export function createClaims(site: ClaimsSite): Claims {
  let taken: Claim[] = []
  let returned: Claim[] = []
  let telling: Promise<void> | null = null

  async function tell(): Promise<void> {
    const own = { taken, returned }
    taken = []
    returned = []
    try {
      if (own.taken.length > 0) await site.mailbox().taken(own.taken)
      own.taken = []
      if (own.returned.length > 0) await site.mailbox().giveBack(own.returned)
      site.outage.worked()
      site.onTold()
      if (own.returned.length > 0) await site.wake()
    } catch (error) {
      taken.unshift(...own.taken)
      returned.unshift(...own.returned)
      site.outage.failed(error)
    }
  }

  function run(): Promise<void> {
    telling ??= tell().finally(() => {
      telling = null
    })
    return telling
  }

  const waits = () => taken.length + returned.length > 0

  /** After this turn, when more may have come; what comes while the store is told waits for that. */
  function schedule(): void {
    if (taken.length + returned.length === 1) setImmediate(go)
  }

  async function go(): Promise<void> {
    await telling
    if (waits()) await run()
  }

  return {
    taken: (claim) => {
      taken.push(claim)
      schedule()
    },
    giveBack: (claim) => {
      returned.push(claim)
      schedule()
    },
    retry: () => {
      if (!telling && waits()) void run()
    },
    told: async () => {
      await telling
      if (waits()) await run()
    },
  }
}
