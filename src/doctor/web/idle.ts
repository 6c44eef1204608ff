import { type Finding, fail, pass, showTime, warn } from '../result.js'
import { checkEnding, howOf, isDone } from './ending.js'
import type { Exchange } from './exchange.js'

/** Called about once a second while an open stream is watched, with milliseconds. */
export type OnIdle = (progress: {
  readonly elapsed: number
  readonly total: number
  readonly heartbeats: number
}) => void

/** What is usual, to name who cuts: milliseconds without a byte, and whose default that is. */
const USUAL: readonly (readonly [ms: number, whose: string])[] = [
  [30_000, 'many load balancers'],
  [60_000, 'nginx (proxy_read_timeout) and Apache (ProxyTimeout, Timeout)'],
  [100_000, 'Cloudflare'],
  [120_000, 'LiteSpeed (initTimeout)'],
  [300_000, 'LiteSpeed (connTimeout)'],
]

/** Watches an open stream until it has been open for `total` milliseconds, has ended, or `isEnough`. */
export async function watchOpen(
  stream: Exchange,
  total: number,
  onIdle: OnIdle,
  isEnough: (stream: Exchange) => boolean = () => false,
): Promise<void> {
  const isOver = (): boolean => stream.end !== null || isEnough(stream)
  const tell = (elapsed: number): void =>
    onIdle({ elapsed: Math.min(elapsed, total), total, heartbeats: stream.stream.heartbeats.length })
  while (!isOver() && stream.now() < total) {
    tell(stream.now())
    await stream.until(isOver, Math.min(1000, total - stream.now()))
  }
  tell(stream.now())
}

/** Judges how long the stream has lived, and who ended it. `heartbeat` is what the app has promised, null where not known. */
export function checkIdle(stream: Exchange, total: number, heartbeat: number | null): Finding {
  const { end, last } = stream
  const { heartbeats } = stream.stream
  const details = { total, heartbeats, end, last, promised: heartbeat }
  const beats = `${heartbeats.length} heartbeats${gapOf(heartbeats)}`
  if (!end || end.how === 'left') {
    if (heartbeats.length > 0) return pass(`open for ${showTime(total)}, ${beats}`, details)
    if (heartbeat !== null && heartbeat < total) {
      return fail(`open for ${showTime(total)}, and no heartbeat arrived`, 'see "buffering"', details)
    }
    return pass(`open for ${showTime(total)}, without a byte: nothing cuts it within that time`, details)
  }
  const silence = end.at - (last ?? 0)
  const seen = `${howOf(stream)} after ${showTime(end.at)}, ${showTime(silence)} after its last byte; ${beats}`
  const ended = isDone(stream) ? checkEnding(stream) : null
  if (ended) return { ...ended, details }
  const [, whose] = USUAL.find(([ms]) => Math.abs(silence - ms) < 1500) ?? []
  if (end.how === 'complete' && !whose) {
    return warn(
      seen,
      'the app ended it, its process did, or a timeout of a layer in front: see "duration" in the options',
      details,
    )
  }
  const least = Math.floor(silence / 2000)
  return fail(
    `${seen}${whose ? `: the default of ${whose}` : ''}`,
    `${whose ? 'raise that timeout' : 'look whether the app stopped; else raise the timeout in front of it'} for streams, or send heartbeats more often: { heartbeat: '${Math.max(1, least)}s' }`,
    details,
  )
}

function gapOf(beats: readonly number[]): string {
  if (beats.length < 2) return ''
  // A spread of as many as a busy stream may have would overflow the stack.
  const longest = beats.reduce((most, at, i) => Math.max(most, at - (beats[i - 1] ?? at)), 0)
  return `, at most ${showTime(longest)} apart`
}
