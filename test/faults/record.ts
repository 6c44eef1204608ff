/** Where and when something happened: `t` in milliseconds of the machine's monotonic clock, one for all processes. */
interface At {
  t: number
}

/** An event that a publisher was told is stored. `began` is when its call was made. */
export interface Acknowledged extends At {
  type: 'acked'
  by: string
  began: number
  id: string
  key: string
  nonce: string
  /** The row was there already: found by its dedupe key. */
  stored: boolean
}

/** An event that a publisher was told is not stored, or of which that is not known (STORE_UNCERTAIN). */
export interface Rejected extends At {
  type: 'rejected'
  by: string
  began: number
  key: string
  nonce: string
  code: string
  message: string
}

/** What happened to a reader; `open` and `gone` tell when it was in a state to hear. */
export type Heard = At & { reader: string } & (
    | { type: 'open' | 'gone'; why: string }
    /** The id of a `ready`, null where it has none; `own` is the cursor that the reader came with. */
    | { type: 'ready'; id: string | null; own: string | null }
    | { type: 'got'; id: string; key: string; nonce: string }
    | { type: 'reset'; id: string; reason: string }
  )

/** A job that a reader of the mailbox got. */
export interface Job extends At {
  type: 'job'
  reader: string
  id: string
  nonce: string
}

/** A fault that begins; `resets` is how many each reader may be sent for it, `lossy` that it may take stored rows away. */
export interface Began extends At {
  type: 'action'
  index: number
  kind: string
  resets: number
  lossy: boolean
}

/** Facts that explain others: how a fault went, what was reported, what the stores say in the end. */
export type Note = At &
  (
    | { type: 'done'; index: number; kind: string; what: string }
    | { type: 'report'; by: string; code: string; message: string }
    | { type: 'health'; by: string; code: string | null; message: string }
    | { type: 'unhealed'; who: string; what: string }
    | { type: 'note'; what: string }
  )

export type Entry = Acknowledged | Rejected | Heard | Job | Began | Note

/** The one key whose events go to one reader each. */
export const JOBS = 'jobs'

/** Milliseconds of the machine's monotonic clock. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
