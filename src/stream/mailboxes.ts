import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import { FileSignalError } from '../errors.js'
import type { Claim, Mailbox, Page, PayloadEngine, Row } from '../payload/engine.js'
import type { Audience, Group } from './audience.js'
import { lastBatch } from './batch.js'
import { createClaims } from './claims.js'
import { type Connection, LINGERING } from './connection.js'
import { type Over, overAt } from './ends.js'
import { encodeFrame, type Shape } from './frame.js'
import type { HydratedFrame, Hydrator } from './hydrator.js'
import type { Outage } from './outage.js'
import type { Start } from './start.js'
import type { Tailer } from './tailer.js'
import type { Ticker } from './ticker.js'

/**
 * The streams that share their events out: each event goes to one of them, over all processes.
 *
 * A stream is dealt one event at a time, and the next one when that has been flushed. What was claimed for a stream
 * that dies before goes back. The tailer tells when to look: rows of a group's keys have come, or something that
 * another reader held may have come back, which no row tells.
 */
export interface Mailboxes {
  /** Where a stream begins; `over` where every key has ended and none of their events is left. Rejects as the store does. */
  find(keys: readonly string[]): Promise<Start>
  /** Begins to deliver, what is sent as `hydrator` makes it, where there is one. */
  attach(keys: readonly string[], shape: Shape, connection: Connection, hydrator: Hydrator | null): void
  /** A page of the tailer, read with keys of `version`; `replaced` where another store stands there. */
  hear(page: Page, version: number, replaced: boolean): void
  /** No more is to be written to it; what was written may still be sending. */
  retire(connection: Connection): void
  /** It is gone: what it has not flushed goes to another. */
  leave(connection: Connection): void
  /** Streams that are open. */
  readonly size: number
  /** Resolves when the store knows what became of all that was claimed. Every stream must have left. */
  close(): Promise<void>
}

export interface MailboxesSite {
  readonly payload: () => PayloadEngine
  readonly audience: Audience
  readonly tailer: Tailer
  readonly ticker: Ticker
  readonly outage: Outage
  /** Wakes other processes, to look for what was given back. */
  readonly wake: () => Promise<void>
}

/** Streams of the same keys and shape in this process: they claim together. */
interface Box {
  readonly group: Group
  readonly keys: readonly string[]
  /** Those that have flushed all that they got; the first one has waited longest. */
  readonly ready: Set<Reader>
  members: number
  looking: boolean
  /** True where something came while it looked. */
  again: boolean
}

interface Reader {
  readonly box: Box
  readonly connection: Connection
  readonly hydrator: Hydrator | null
  /** What it was dealt and has not flushed. */
  claim: Claim | null
  retired: boolean
}

/** Events that are claimed at a time, however many streams are ready. */
const MOST = 256

export function createMailboxes(site: MailboxesSite): Mailboxes {
  const { audience, tailer, ticker, outage } = site
  const boxes = new Map<Group, Box>()
  const readers = new Map<Connection, Reader>()
  /** Those for which another look may find something that no row tells of. */
  const doubtful = new Set<Box>()
  /** Readers that have something to flush, and until when, in the order of their deadlines. */
  const flushing = new Map<Reader, number>()
  const looks = new Set<Promise<void>>()
  const claims = createClaims({ mailbox: () => mailboxOf(site.payload()), outage, onTold, wake: site.wake })
  const clock = { finest: 1000, tick: giveUpStalled }
  const holder = randomUUID()
  let asked = 0

  function look(box: Box): void {
    box.again = true
    if (box.looking || box.ready.size === 0) return
    const own: Promise<void> = lookOnce(box).finally(() => looks.delete(own))
    looks.add(own)
  }

  async function lookOnce(box: Box): Promise<void> {
    box.looking = true
    // What comes after the tailer's first place is told by its pages; a look before that could miss what lies between.
    await tailer.started()
    try {
      while (box.again && box.ready.size > 0) {
        box.again = false
        await claimFor(box)
      }
      outage.worked()
    } catch (error) {
      doubt(box)
      outage.failed(error)
    }
    box.looking = false
  }

  /** One claim for all streams that are ready: a thousand of them make one call. */
  async function claimFor(box: Box): Promise<void> {
    const count = Math.min(box.ready.size, MOST)
    asked += 1
    // The lease began no earlier.
    const until = performance.now() + patience()
    const own = `${holder}-${asked}`
    const claimed = await mailboxOf(site.payload()).claim({ keys: box.keys, holder: own, count })
    if (claimed.left) doubt(box)
    else doubtful.delete(box)
    for (const row of claimed.rows) deal(box, row, { n: row.n, holder: own }, claimed.epoch, until)
    if (claimed.over) finish(box, await overAt(site.payload(), claimed.epoch, claimed.over, true))
    if (claimed.rows.length === count) box.again = true
  }

  function deal(box: Box, row: Row, claim: Claim, epoch: string, until: number): void {
    const [reader] = box.ready
    if (!reader) {
      claims.giveBack(claim)
      return
    }
    box.ready.delete(reader)
    reader.claim = claim
    flushing.set(reader, until)
    if (reader.hydrator) reader.hydrator.ask(row, epoch, (frame) => send(reader, claim, frame))
    else send(reader, claim, Buffer.from(encodeFrame(row, epoch, box.group.shape)))
  }

  function send(reader: Reader, claim: Claim, frame: HydratedFrame): void {
    if (reader.claim !== claim) return
    // A process that stood still has lost it to another.
    if (isLate(reader)) free(reader)
    else if (frame === 'dropped') written(reader, claim, true)
    else if (frame === 'failed') {
      // It is tried again when the lease is over: at once it would most likely fail again, and again.
      free(reader)
      look(reader.box)
    } else reader.connection.send(frame, (flushed) => written(reader, claim, flushed))
  }

  /** The response may have gone before, and the event back. */
  function written(reader: Reader, claim: Claim, flushed: boolean): void {
    if (reader.claim !== claim) return
    if (flushed) claims.taken(claim)
    else claims.giveBack(claim)
    // Where it was not flushed the response is closing.
    if (!flushed) retire(reader.connection)
    free(reader)
  }

  /** It has nothing to flush any more, and may be dealt the next event. */
  function free(reader: Reader): void {
    reader.claim = null
    flushing.delete(reader)
    doubt(reader.box)
    if (reader.retired) remove(reader)
    else reader.box.ready.add(reader)
  }

  function onTold(): void {
    for (const box of doubtful) look(box)
  }

  function doubt(box: Box): void {
    if (box.members > 0) doubtful.add(box)
  }

  function isLate(reader: Reader): boolean {
    return performance.now() > (flushing.get(reader) ?? 0)
  }

  /** Ends streams in time for their bytes to be dropped before the lease is over and somebody else gets the event. */
  function giveUpStalled(now: number): void {
    for (const [reader, until] of flushing) {
      if (until > now) return
      flushing.delete(reader)
      reader.connection.end()
    }
  }

  function patience(): number {
    const { lease } = mailboxOf(site.payload())
    return Math.max(lease - 2 * LINGERING, lease / 2)
  }

  function finish(box: Box, over: Over): void {
    const last = lastBatch(over, box.group.shape)
    for (const reader of readers.values()) {
      if (reader.box === box && !reader.retired) reader.connection.done(over.at, last)
    }
  }

  function join(keys: readonly string[], shape: Shape): Box {
    const group = audience.join(keys, shape)
    const box = boxes.get(group) ?? {
      group,
      keys: [...group.keys],
      ready: new Set(),
      members: 0,
      looking: false,
      again: false,
    }
    box.members += 1
    boxes.set(group, box)
    ticker.add(clock)
    tailer.start()
    return box
  }

  function retire(connection: Connection): void {
    const reader = readers.get(connection)
    if (!reader || reader.retired) return
    const { box } = reader
    reader.retired = true
    if (reader.claim === null) remove(reader)
    box.ready.delete(reader)
    box.members -= 1
    if (box.members === 0) {
      boxes.delete(box.group)
      doubtful.delete(box)
    }
    audience.leave(box.group)
    if (audience.members === 0) tailer.stop()
  }

  function remove(reader: Reader): void {
    readers.delete(reader.connection)
    if (readers.size === 0) ticker.delete(clock)
  }

  return {
    find: async (keys) => {
      const payload = site.payload()
      const { epoch, over } = await mailboxOf(payload).claim({ keys, holder, count: 0 })
      const { n } = await payload.head()
      return {
        cursor: { epoch, n },
        reset: null,
        ended: new Set(),
        page: null,
        forgiven: null,
        over: over && (await overAt(payload, epoch, over, true)),
      }
    },
    attach: (keys, shape, connection, hydrator) => {
      const reader: Reader = { box: join(keys, shape), connection, hydrator, claim: null, retired: false }
      readers.set(connection, reader)
      reader.box.ready.add(reader)
      look(reader.box)
    },
    hear: (page, version, replaced) => {
      if (readers.size === 0) return
      claims.retry()
      for (const row of page.rows) {
        for (const group of audience.groupsOf(row.key)) {
          const box = boxes.get(group)
          if (box) doubtful.add(box)
        }
      }
      if (replaced || audience.version > version) {
        for (const box of boxes.values()) if (replaced || box.group.version > version) doubtful.add(box)
      }
      for (const box of doubtful) look(box)
    },
    retire,
    leave: (connection) => {
      retire(connection)
      const reader = readers.get(connection)
      if (!reader?.claim) return
      claims.giveBack(reader.claim)
      free(reader)
    },
    get size() {
      let size = 0
      for (const box of boxes.values()) size += box.members
      return size
    },
    close: async () => {
      await Promise.all(looks)
      await claims.told()
    },
  }
}

function mailboxOf(payload: PayloadEngine): Mailbox {
  if (payload.mailbox) return payload.mailbox
  throw new FileSignalError(
    'OPTION_INVALID',
    `deliver is "once", which the engine ${payload.name} cannot do`,
    {
      remedy: 'use sqlite() or memory(), or an engine of your own with a mailbox',
    },
  )
}
