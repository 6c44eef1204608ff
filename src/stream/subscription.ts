import { setImmediate as immediate } from 'node:timers/promises'
import type { Cursor } from '../event.js'
import type { Page, PayloadEngine, Row } from '../payload/engine.js'
import type { Audience, Group } from './audience.js'
import { type Batch, createBatch, lastBatch } from './batch.js'
import { closesAt, hasEnd, isTold, type Over, overAt } from './ends.js'
import { encodeFrame, type ResetReason, type Shape } from './frame.js'
import type { Outage } from './outage.js'
import type { Sink } from './sink.js'
import { BEHIND_PAGE, type Forgiven, type Start } from './start.js'
import type { Tailer } from './tailer.js'

/**
 * One reader of some keys: a stream or a subscriber. A flat record, for there may be thousands.
 *
 * Live, it stands where the tailer stands (or ahead, at `n`), and gets what the tailer reads. Behind, it
 * reads its own pages after `n`: replay at connect and a sink that does not drain are the same state.
 */
export interface Subscription {
  readonly group: Group
  readonly sink: Sink
  state: 'behind' | 'live' | 'over'
  epoch: string
  n: number
  /** Keys that have ended; null for none. */
  ended: Set<string> | null
  /** True after a reset: what it jumped over may have ended keys. */
  unsure: boolean
  forgiven: Forgiven | null
  /** True until the sink has drained. */
  blocked: boolean
  /** Ends the pause of a subscription that waits. */
  resume: (() => void) | null
}

/** The state machine of all subscriptions of one instance. */
export interface Subscriptions {
  /** Attaches, in one synchronous step, and begins to deliver. */
  attach(keys: readonly string[], shape: Shape, sink: Sink, start: Start): Subscription
  /** A page that the tailer read with the subscription's keys; `batch` holds the rows of its group. */
  receive(subscription: Subscription, page: Page, batch: Batch): void
  /** A page that the tailer read without the subscription's keys: it must read that range by itself. */
  miss(subscription: Subscription, page: Page): void
  drained(subscription: Subscription): void
  /** Detaches; nothing is delivered afterwards. Idempotent. */
  close(subscription: Subscription): void
}

export interface SubscriptionsSite {
  readonly payload: () => PayloadEngine
  readonly audience: Audience
  readonly tailer: Tailer
  readonly poll: number
  readonly outage: Outage
}

/** Pause of a subscription that has read all there is and still does not stand where the tailer stands. */
const TAILER_LAG = 2

export function createSubscriptions(site: SubscriptionsSite): Subscriptions {
  const { audience, tailer, outage } = site

  async function catchUp(own: Subscription, page: Page | null): Promise<void> {
    while (own.state === 'behind') {
      const more = page !== null && page.to < page.head.n
      const news = page === null || page.rows.length > 0
      if (page && hasEnd(page)) await takeEnds(own, page)
      else if (page) take(own, page, ownBatch(own, page))
      // While it waits, what it sent is the socket's to hold.
      page = null
      if (own.state !== 'behind') return
      if (own.blocked) await pause(own)
      // A drain may come within the same turn: others must have theirs between two pages.
      if (more) await immediate()
      else if (!own.unsure && (await joinTailer(own))) return
      else if (!news) await pause(own, TAILER_LAG)
      if (own.unsure && own.state === 'behind') await learnEnds(own)
      else if (own.state === 'behind') page = await attempt(own, () => readOwn(own))
    }
  }

  /** Goes live where the tailer stands no further than this subscription. */
  async function joinTailer(own: Subscription): Promise<boolean> {
    await tailer.started()
    const { cursor } = tailer
    if (own.state !== 'behind' || cursor === null) return false
    if (cursor.epoch !== own.epoch) tailer.wake('sweep')
    if (cursor.epoch !== own.epoch || own.n < cursor.n) return false
    own.state = 'live'
    own.group.live.add(own)
    own.sink.caughtUp()
    return true
  }

  function readOwn(own: Subscription): Promise<Page> {
    const after = { epoch: own.epoch, n: own.n }
    return site.payload().read({ after, keys: own.group.keys, ...BEHIND_PAGE })
  }

  /** Null where the store could not be asked; by then it is time to ask again. */
  async function attempt<T>(own: Subscription, ask: () => Promise<T>): Promise<T | null> {
    try {
      const answer = await ask()
      outage.worked()
      return answer
    } catch (error) {
      if (own.state !== 'behind') return null
      outage.failed(error)
      await pause(own, site.poll)
      return null
    }
  }

  /** A page with ends, of one that is behind: keys that were opened again since are no reason to close. */
  async function takeEnds(own: Subscription, page: Page): Promise<void> {
    const { keys } = own.group
    const closing = await attempt(own, () => closesAt(site.payload(), keys, page.head.n))
    // Where the store could not be asked the page is read again.
    if (closing !== null && own.state === 'behind') take(own, page, ownBatch(own, page), closing)
  }

  /** `closing` is the first row with which it may close, if all keys have ended there. */
  function take(own: Subscription, page: Page, batch: Batch, closing = 0): void {
    const { epoch, start, n } = page.head
    if (epoch !== own.epoch) reset(own, 'epoch', { epoch, n: start })
    else if (isLost(own, page)) reset(own, 'pruned', { epoch, n })
    else deliver(own, page, batch, closing)
  }

  function deliver(own: Subscription, page: Page, batch: Batch, closing: number): void {
    const { rest, end } =
      own.n <= page.from && !batch.withEnds && !own.ended ? whole(batch) : pick(own, batch, closing)
    own.n = Math.max(own.n, page.to)
    if (rest.sent.length > 0 && !own.sink.write(rest)) own.blocked = true
    if (end) finish(own, { at: { epoch: own.epoch, n: end.n }, told: [end].filter(isTold) })
  }

  function finish(own: Subscription, over: Pick<Over, 'at' | 'told'>): void {
    close(own)
    own.sink.done(over.at, lastBatch(over, own.group.shape))
  }

  function reset(own: Subscription, reason: ResetReason, cursor: Cursor): void {
    own.epoch = cursor.epoch
    own.n = cursor.n
    own.ended = null
    own.unsure = true
    own.forgiven = null
    own.sink.reset(reason, cursor)
    if (own.state === 'live') fallBehind(own, false)
  }

  async function learnEnds(own: Subscription): Promise<void> {
    const { keys } = own.group
    const { epoch, n } = own
    const learnt = await attempt(own, async () => {
      const ends = await site.payload().ended([...keys], n)
      return { ends, over: ends.size === keys.size ? await overAt(site.payload(), epoch, ends, false) : null }
    })
    if (!learnt || own.state !== 'behind') return
    own.unsure = false
    own.ended = learnt.ends.size > 0 ? new Set(learnt.ends.keys()) : null
    if (learnt.over) finish(own, learnt.over)
  }

  function fallBehind(own: Subscription, blocked: boolean): void {
    own.group.live.delete(own)
    own.state = 'behind'
    own.blocked = blocked
    run(own, null)
  }

  function run(own: Subscription, page: Page | null): void {
    catchUp(own, page).catch((error) => fail(own, error))
  }

  /** A fault of one subscription ends that one alone. */
  function fail(own: Subscription, error: unknown): void {
    close(own)
    own.sink.fail(error)
  }

  function close(own: Subscription): void {
    if (own.state === 'over') return
    own.state = 'over'
    own.group.live.delete(own)
    audience.leave(own.group)
    if (audience.members === 0) tailer.stop()
    own.resume?.()
  }

  return {
    attach: (keys, shape, sink, start) => {
      const own: Subscription = {
        group: audience.join(keys, shape),
        sink,
        state: 'behind',
        epoch: start.cursor.epoch,
        n: start.cursor.n,
        ended: start.ended.size > 0 ? new Set(start.ended) : null,
        unsure: false,
        forgiven: start.forgiven,
        blocked: false,
        resume: null,
      }
      tailer.start()
      run(own, start.page)
      return own
    },
    receive: (own, page, batch) => {
      if (own.n < page.from) own.n = page.from
      if (own.sink.isFull()) return fallBehind(own, true)
      try {
        take(own, page, batch)
      } catch (error) {
        fail(own, error)
      }
    },
    miss: (own, page) => {
      if (own.n < page.to || own.epoch !== page.head.epoch) fallBehind(own, own.sink.isFull())
    },
    drained: (own) => {
      if (!own.blocked) return
      own.blocked = false
      own.resume?.()
    },
    close,
  }
}

function ownBatch(own: Subscription, page: Page): Batch {
  return createBatch(page.head.epoch, page.rows, (row) => encodeFrame(row, page.head.epoch, own.group.shape))
}

function whole(batch: Batch): { rest: Batch; end: Row | null } {
  return { rest: batch, end: null }
}

/** The rows after the subscription's own place, up to the one from `closing` on with which its last key has ended. */
function pick(own: Subscription, batch: Batch, closing: number): { rest: Batch; end: Row | null } {
  const { keys, shape } = own.group
  const ended = own.ended ?? new Set<string>()
  const rows: Row[] = []
  let end: Row | null = null
  for (const row of batch.withEnds ?? batch.events) {
    if (row.n <= own.n) continue
    if (row.kind === 'event') ended.delete(row.key)
    else if (ended.add(row.key).size === keys.size && row.n >= closing) {
      end = row
      break
    }
    if (isTold(row)) rows.push(row)
  }
  own.ended = ended.size > 0 ? ended : null
  // The same rows again: keep the buffer that the others share.
  if (rows.length === batch.sent.length) return { rest: batch, end }
  return { rest: createBatch(batch.epoch, rows, (row) => encodeFrame(row, batch.epoch, shape)), end }
}

/** True where an event of its keys, after its place, was pruned before it was read. */
function isLost(own: Subscription, page: Page): boolean {
  if (page.floor > own.n && page.floor > (own.forgiven?.floor ?? 0)) return true
  if (page.pruned.size === 0) return false
  for (const key of own.group.keys) {
    const mark = page.pruned.get(key) ?? 0
    if (mark > own.n && mark > (own.forgiven?.pruned.get(key) ?? 0)) return true
  }
  return false
}

/** Waits until `resume` is called, or for `ms`. */
function pause(own: Subscription, ms?: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = ms === undefined ? null : setTimeout(resume, ms)
    function resume(): void {
      if (timer) clearTimeout(timer)
      own.resume = null
      resolve()
    }
    own.resume = resume
  })
}
