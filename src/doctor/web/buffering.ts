import { type Finding, fail, pass, showTime, skip } from '../result.js'
import type { Delays } from './delay.js'
import type { Later } from './later.js'
import { findCulprit, type Layer, type Way } from './layers.js'
import type { Opening } from './opening.js'

/** All that was seen of one stream. */
export interface Evidence {
  readonly came: Opening['came']
  readonly shortWorks: boolean
  /** Whether it came through uncompressed, where it did not otherwise. */
  readonly plainStreams: boolean | null
  readonly delays: Delays | null
  readonly shortDelay: number | null
  readonly later: Later
  /** Whether the stream ended while events were published into it. */
  readonly isEnded: boolean
  readonly way: Way
  readonly encoding: string | null
}

export interface Buffering {
  readonly streams: boolean | null
  /** The layer that holds the stream back, where headers name one. */
  readonly layer: Layer | null
  readonly finding: Finding
}

/** Weighs what was seen: does a layer hold the stream back, and which one. */
export function judge(evidence: Evidence): Buffering {
  const { streams, seen } = weigh(evidence)
  const details = { ...evidence, way: undefined }
  if (streams === true) return { streams, layer: null, finding: pass(seen, details) }
  if (streams === null) {
    return {
      streams,
      layer: null,
      finding: skip(`not known: ${seen}`, 'use --publish KEY, or --idle 75s', details),
    }
  }
  const { layer, why, remedy } = findCulprit(evidence)
  const way = evidence.shortWorks ? '; until then browsers get events by ?mode=short' : ''
  return { streams, layer, finding: fail(`${seen}: ${why}`, `${remedy}${way}`, { ...details, by: layer }) }
}

function weigh({ came, delays, later, isEnded, shortWorks, shortDelay, plainStreams }: Evidence): {
  streams: boolean | null
  seen: string
} {
  if (delays && delays.arrived > 0) {
    if (delays.arrived === delays.sent) {
      return { streams: true, seen: `none: ${delays.arrived} of ${delays.sent} events came one by one` }
    }
    if (isEnded) {
      return {
        streams: true,
        seen: `none: ${delays.arrived} of ${delays.sent} events came before the stream ended`,
      }
    }
    return {
      streams: false,
      seen: `${delays.arrived} of ${delays.sent} events came while the stream was open`,
    }
  }
  if (isEnded || later === 'ended') return { streams: null, seen: 'the stream ended before anything was due' }
  if (delays && shortDelay !== null) {
    return { streams: false, seen: 'events come by short responses, and not by the open stream' }
  }
  if (later === 'came') return { streams: true, seen: 'none: what followed the beginning came in time' }
  if (later === 'missing') {
    return { streams: false, seen: 'the beginning came, and no heartbeat when it was due' }
  }
  if (later === 'in lumps') return { streams: false, seen: 'events come in lumps, some of them seconds late' }
  if (came === 'ready') return { streams: null, seen: 'the beginning came, and nothing was due after it' }
  if (plainStreams) return { streams: false, seen: whatCame(came) }
  if (shortWorks) return { streams: false, seen: `${whatCame(came)}, while short responses come through` }
  return {
    streams: null,
    seen: `${whatCame(came)}, and no short response either: the app itself may be silent, or no file-signal`,
  }
}

function whatCame(came: Opening['came']): string {
  switch (came) {
    case 'nothing':
      return `not even headers came within ${showTime(3000)}`
    case 'head':
      return 'headers came, and no body'
    default:
      return 'bytes came, and no "ready"'
  }
}
