import type { RunningCell } from './cell.js'
import { listen } from './listener.js'
import { newKey } from './measure.js'

/** What a stream without events did, with the default heartbeat of 15 s; times in milliseconds. */
export interface Idle {
  /** How long it has been watched. */
  readonly watched: number
  readonly isCut: boolean
  readonly heartbeats: number
  /** The longest silence, from the opening on. */
  readonly silence: number
}

export interface IdleStream {
  /** Resolves with the figures once the stream has been watched for WINDOW, and leaves. */
  figures(): Promise<Idle>
  leave(): void
}

/** All streams of a run wait through one window. */
export const WINDOW = 75_000
const HEARTBEAT = 15_000

/** The prelude is a comment as well. */
const PRELUDE = 1

export function openIdle(running: RunningCell): IdleStream {
  const begun = performance.now()
  const listener = listen(running.streamUrl(newKey('idle')), { ca: running.ca })

  async function figures(): Promise<Idle> {
    await new Promise((resolve) => setTimeout(resolve, begun + WINDOW - performance.now()))
    const ended = performance.now()
    const isCut = listener.isOver
    const times = [begun, ...listener.comments, ended]
    const silence = Math.max(...times.map((time, place) => time - (times[place - 1] ?? time)))
    listener.leave()
    return { watched: ended - begun, isCut, heartbeats: listener.comments.length - PRELUDE, silence }
  }

  return { figures, leave: listener.leave }
}

/** What is wrong with an idle stream through a cell that does not buffer, in one line; null where nothing is. */
export function idleFaultOf({ isCut, heartbeats, silence }: Idle): string | null {
  if (isCut) return 'an idle stream was cut'
  const least = Math.floor(WINDOW / HEARTBEAT) - 1
  if (heartbeats < least) return `${heartbeats} heartbeats came in ${WINDOW / 1000} s, not ${least}`
  return silence > HEARTBEAT + 2000 ? `an idle stream was silent for ${(silence / 1000).toFixed(1)} s` : null
}
