import { randomUUID } from 'node:crypto'
import { performance } from 'node:perf_hooks'
import type { Claim, Page, PayloadEngine, Row } from '../../payload/engine.js'
import type { Audience, Group } from '../audience.js'
import { lastBatch } from '../batch.js'
import { type Connection, LINGERING } from '../connection.js'
import { type Over, overAt } from '../ends.js'
import type { Shape } from '../frame.js'
import type { Hydrator } from '../hooks/hydrator.js'
import type { Outage } from '../outage.js'
import type { Start } from '../start.js'
import type { Tailer } from '../tailer.js'
import type { Ticker } from '../ticker.js'
import { createClaims } from './claims.js'
import { createDealer, type Fate, type Hand } from './dealer.js'
import { findMailboxStart, mailboxOf } from './mailbox-start.js'

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
  /** The keys of one of them; null where it is none, or ends. */
  keysOf(connection: Connection): ReadonlySet<string> | null
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

interface Reader extends Hand {
  readonly box: Box
  /** True where nothing more is to be written to it; what was written may still be sending. */
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
  const looks = new Set<Promise<void>>()
  const claims = createClaims({ mailbox: () => mailboxOf(site.payload()), outage, onTold, wake: site.wake })
  const dealer = createDealer({ claims, onFree })
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
    for (const row of claimed.rows) deal(box, row, claimed.epoch, { n: row.n, holder: own }, until)
    if (claimed.over) finish(box, await overAt(site.payload(), claimed.epoch, claimed.over, true))
    if (claimed.rows.length === count) box.again = true
  }

  function deal(box: Box, row: Row, epoch: string, claim: Claim, until: number): void {
    const [reader] = box.ready
    if (reader) {
      box.ready.delete(reader)
      dealer.deal(reader, row, epoch, claim, until)
    } else claims.giveBack(claim)
  }

  function onFree(hand: Hand, fate: Fate): void {
    const reader = readers.get(hand.connection)
    if (!reader) return
    const { box } = reader
    doubt(box)
    if (fate === 'returned') retire(hand.connection)
    if (reader.retired) remove(reader)
    else box.ready.add(reader)
    // Nobody has to be told of a failure, so nothing else leads to the next look.
    if (fate === 'failed') look(box)
  }

  function onTold(): void {
    for (const box of doubtful) look(box)
  }

  function doubt(box: Box): void {
    if (box.members > 0) doubtful.add(box)
  }

  /** How long a flush may take: behind it the socket has time to be dropped. */
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
    ticker.add(dealer)
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
    if (readers.size === 0) ticker.delete(dealer)
  }

  return {
    find: async (keys) => findMailboxStart(site.payload(), keys),
    attach: (keys, shape, connection, hydrator) => {
      const box = join(keys, shape)
      const reader = { box, connection, shape: box.group.shape, hydrator, claim: null, retired: false }
      readers.set(connection, reader)
      box.ready.add(reader)
      look(box)
    },
    hear: (page, version, replaced) => {
      claims.retry()
      if (readers.size === 0) return
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
      if (reader) dealer.takeBack(reader)
    },
    get size() {
      let size = 0
      for (const box of boxes.values()) size += box.members
      return size
    },
    keysOf: (connection) => {
      const reader = readers.get(connection)
      return reader && !reader.retired ? reader.box.group.keys : null
    },
    close: async () => {
      await Promise.all(looks)
      await claims.told()
    },
  }
}
