import { performance } from 'node:perf_hooks'
import type { Claim, Row } from '../../payload/engine.js'
import type { Connection } from '../connection.js'
import { encodeFrame, type Shape } from '../frame.js'
import type { HydratedFrame, Hydrator } from '../hooks/hydrator.js'
import type { Ticking } from '../ticker.js'
import type { Claims } from './claims.js'

/** A stream that is dealt one event at a time. */
export interface Hand {
  readonly connection: Connection
  readonly shape: Shape
  /** What its events are sent as; null for as they are stored. */
  readonly hydrator: Hydrator | null
  /** What it was dealt and has not flushed. */
  claim: Claim | null
}

/** Sends what was claimed, and sees to what becomes of it. */
export interface Dealer extends Ticking {
  /** `until` is when the event must have been flushed, as of performance.now(): later it may be somebody else's. */
  deal(hand: Hand, row: Row, epoch: string, claim: Claim, until: number): void
  /** The stream is gone, and what it has not flushed goes back. */
  takeBack(hand: Hand): void
}

export interface DealerSite {
  readonly claims: Claims
  /** It holds nothing any more; `fate` says what became of its event. */
  readonly onFree: (hand: Hand, fate: Fate) => void
}

/** `returned`: to another stream, for this one is closing. `failed`: it waits for the end of its lease. */
export type Fate = 'taken' | 'returned' | 'failed'

export function createDealer({ claims, onFree }: DealerSite): Dealer {
  /** In the order of their deadlines. */
  const flushing = new Map<Hand, number>()

  function send(hand: Hand, claim: Claim, frame: HydratedFrame): void {
    if (hand.claim !== claim) return
    if (performance.now() > (flushing.get(hand) ?? 0)) {
      // A process that stood still has lost it to another by now, or soon will.
      hand.connection.end()
      settle(hand, claim, 'returned')
    } else if (frame === 'dropped') settle(hand, claim, 'taken')
    // At once it would most likely fail again, and again.
    else if (frame === 'failed') settle(hand, claim, 'failed')
    else hand.connection.send(frame, 1, (flushed) => settle(hand, claim, flushed ? 'taken' : 'returned'))
  }

  function settle(hand: Hand, claim: Claim, fate: Fate): void {
    // The response may have gone before, and the event back.
    if (hand.claim !== claim) return
    hand.claim = null
    flushing.delete(hand)
    if (fate === 'taken') claims.taken(claim)
    if (fate === 'returned') claims.giveBack(claim)
    onFree(hand, fate)
  }

  return {
    finest: 1000,
    deal: (hand, row, epoch, claim, until) => {
      hand.claim = claim
      flushing.set(hand, until)
      if (hand.hydrator) hand.hydrator.ask(row, epoch, (frame) => send(hand, claim, frame))
      else send(hand, claim, Buffer.from(encodeFrame(row, epoch, hand.shape)))
    },
    takeBack: (hand) => {
      if (hand.claim) settle(hand, hand.claim, 'returned')
    },
    /** Ends streams that take no bytes in time for these to be dropped before the lease is over. */
    tick: (now) => {
      for (const [hand, until] of flushing) {
        if (until > now) return
        flushing.delete(hand)
        hand.connection.end()
      }
    },
  }
}
