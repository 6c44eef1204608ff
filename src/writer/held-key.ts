import { randomUUID } from 'node:crypto'
import { FileSignalError, quote } from '../errors.js'
import type { Appended, NewRow, PayloadEngine } from '../payload/engine.js'
import { encodeEnding } from '../reason.js'
import { aliveHere, endLost } from './lost.js'

/** A key that this process alone writes to, for as long as it renews its lease. */
export interface HeldKey {
  /** Takes the lease. Rejects with WRITER_TAKEN, WRITER_UNSUPPORTED or a STORE_ code. */
  take(): Promise<void>
  /** Stores events, in order; each call prolongs the lease. Rejects with WRITER_LOST or a STORE_ code. */
  append(payloads: readonly string[]): Promise<void>
  /** Ends the key and gives the lease back. Rejects with WRITER_LOST or a STORE_ code. */
  end(reason: string | null): Promise<Appended>
  /** Renews no more: others notice when the lease is over. Idempotent. */
  letGo(): void
}

export interface HeldKeySite {
  readonly payload: () => PayloadEngine
  readonly key: string
  readonly event: string | null
  /** Milliseconds. */
  readonly lease: number
  /** Told once, if the lease turns out to be gone while nothing is written. */
  readonly onLost: (error: FileSignalError) => void
}

/** Rows of one transaction: at the usual payload limit 1 MiB at the most, which holds the loop for a few ms. */
const ROWS_PER_APPEND = 16

export function createHeldKey(site: HeldKeySite): HeldKey {
  const { payload, key, event, lease } = site
  const holder = randomUUID()
  const held = { holder, lasts: lease }
  let timer: NodeJS.Timeout | null = null
  let renewing = false

  async function take(): Promise<void> {
    const { leases } = payload()
    if (!leases) {
      throw new FileSignalError(
        'WRITER_UNSUPPORTED',
        `the payload engine ${quote(payload().name)} has no leases`,
      )
    }
    let taken = await leases.take(key, holder, lease)
    if (!taken) {
      await (await endLost(payload())).ended
      taken = await leases.take(key, holder, lease)
    }
    if (!taken) throw new FileSignalError('WRITER_TAKEN', `somebody is writing to key ${quote(key)}`)
    // A process that has nothing else to do may end: its readers are told when the lease is over.
    aliveHere().add(holder)
    timer = setInterval(renew, lease / 3).unref()
  }

  async function renew(): Promise<void> {
    if (renewing) return
    renewing = true
    try {
      const isHeld = await payload().leases?.renew(key, holder, lease)
      if (!isHeld && timer) site.onLost(lost())
    } catch {
      // A store that is busy is asked again at the next turn; one that is gone refuses what is written, too.
    }
    renewing = false
  }

  async function store(rows: readonly NewRow[]): Promise<Appended> {
    const appended = await payload().append(rows)
    if (appended.rows.every((row) => row.stored)) return appended
    letGo()
    throw lost()
  }

  function lost(): FileSignalError {
    return new FileSignalError('WRITER_LOST', `the lease of key ${quote(key)} is gone`)
  }

  function letGo(): void {
    if (timer) clearInterval(timer)
    timer = null
    aliveHere().delete(holder)
  }

  return {
    take,
    append: async (payloads) => {
      for (let i = 0; i < payloads.length; i += ROWS_PER_APPEND) {
        const some = payloads.slice(i, i + ROWS_PER_APPEND)
        await store(
          some.map((text) => ({ key, event, payload: text, kind: 'event', dedupe: null, lease: held })),
        )
      }
    },
    end: async (reason) => {
      letGo()
      return store([
        { key, event: null, payload: encodeEnding(reason), kind: 'end', dedupe: null, lease: held },
      ])
    },
    letGo,
  }
}
