import type { SourcePlan } from '../../source-options.js'
import type { Connection } from '../connection.js'
import { encodeBareDone, encodeBareEnd } from '../frame.js'
import type { SourceFaults } from './faults.js'
import { createItemEncoder } from './items.js'
import type { Run, RunSite, SourceEnd } from './origin.js'

/** One run of a source, and the clients that hear it: one, or all of them where it is shared. */
export interface Broadcast {
  /** Takes part from the next item on. */
  join(connection: Connection): Hearer
  /** What a client that comes now gets first, encoded; null for nothing. */
  last(): Buffer | null
  /** True when the source has ended, or the last client has left. */
  isOver(): boolean
}

/** One client of a run. */
export interface Hearer {
  /** Its socket takes more again. */
  drained(): void
  /** Its connection has ended; where it was the last one the run stops. Idempotent. */
  leave(): void
}

interface Member {
  readonly connection: Connection
  writable: boolean
  /** True where its socket was too full for a value: it gets the newest when it drains. */
  behind: boolean
  /** True where it is to end as soon as its socket has taken all. */
  ending: boolean
  timer: NodeJS.Timeout | undefined
}

/** The longest time a timer takes. */
const LONGEST = 2 ** 31 - 1

/**
 * Begins a run. Each item is encoded once, and the fastest client sets the pace at which an iterable is read. One
 * that stays behind by more than its buffer slows nobody: of a callback it misses values, whose newest
 * is what counts; an iterable that lacks a part is worth nothing, so there it is ended. `path` is that of the first client.
 */
export function createBroadcast(
  begin: (site: RunSite) => Run,
  plan: SourcePlan<never>,
  faults: SourceFaults,
  path: string,
): Broadcast {
  const members = new Set<Member>()
  const items = createItemEncoder(plan.event)
  let kind: 'callback' | 'iterable' | null = null
  let newest: Buffer | null = null
  let over = false
  const run = begin({ path, onKind, onItem, onEnd })

  function onKind(shown: 'callback' | 'iterable'): void {
    if (shown === kind) return
    kind = shown
    for (const member of members) limit(member)
  }

  /** An answer that is cut makes its client come back and run an iterable again, so those have no longest life. */
  function limit(member: Member): void {
    clearTimeout(member.timer)
    if (kind !== 'callback' || plan.callbackDuration === Number.POSITIVE_INFINITY) return
    const life = plan.callbackDuration * (0.8 + Math.random() * 0.2)
    member.timer = setTimeout(member.connection.end, Math.min(life, LONGEST))
  }

  function onItem(item: unknown): boolean {
    const frame = encode(item)
    if (frame) {
      newest = frame
      for (const member of members) offer(member, frame)
    }
    return hasRoom()
  }

  function encode(item: unknown): Buffer | null {
    try {
      const frame = items.encode(item, kind ?? 'callback')
      faults.worked()
      return frame
    } catch (error) {
      faults.failed('gave what cannot be sent', path, error)
      return null
    }
  }

  function offer(member: Member, frame: Buffer): void {
    member.behind = member.connection.isFull()
    if (!member.behind) member.writable = member.connection.send(frame, 1)
    else if (kind === 'iterable') end(member, 'slow')
  }

  function hasRoom(): boolean {
    for (const member of members) if (member.writable) return true
    return false
  }

  function onEnd(reason: SourceEnd | null): void {
    over = true
    const rest = items.flush()
    if (rest) for (const member of members) offer(member, rest)
    for (const member of members) end(member, reason)
  }

  /** A response that has ended has little time left: a slow client would lose the last words, and ask for all again. */
  function end(member: Member, reason: SourceEnd | null): void {
    leave(member)
    member.ending = !member.connection.send((reason ? encodeBareEnd(reason) : '') + encodeBareDone())
    if (!member.ending) member.connection.end()
  }

  function drained(member: Member): void {
    member.writable = true
    if (member.ending) member.connection.end()
    else if (member.behind && newest) offer(member, newest)
    if (member.writable) run.resume()
  }

  function last(): Buffer | null {
    const replay = plan.replay ?? (kind === 'callback' ? 'last' : 'none')
    return replay === 'last' ? newest : null
  }

  function leave(member: Member): void {
    clearTimeout(member.timer)
    if (!members.delete(member) || members.size > 0) return
    over = true
    newest = null
    run.stop()
  }

  return {
    join: (connection) => {
      const member: Member = { connection, writable: true, behind: false, ending: false, timer: undefined }
      members.add(member)
      limit(member)
      const frame = last()
      if (frame) offer(member, frame)
      run.resume()
      return { drained: () => drained(member), leave: () => leave(member) }
    },
    last,
    isOver: () => over,
  }
}
