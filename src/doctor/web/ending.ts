import { quote } from '../../errors.js'
import { type Finding, fail, showTime, warn } from '../result.js'
import type { Exchange } from './exchange.js'

/** True where the other side has ended it, in whatever way. */
export function hasEnded({ end }: Exchange): boolean {
  return end !== null && end.how !== 'left'
}

/** True where the stream has told that its key has ended: its last line is `[DONE]`. */
export function isDone({ stream }: Exchange): boolean {
  return stream.messages.at(-1)?.data === '[DONE]'
}

/** Judges the end of a stream that had begun well; null where it is still open. No layer that holds back ends anything. */
export function checkEnding(exchange: Exchange): Finding | null {
  const { end } = exchange
  if (!end || !hasEnded(exchange)) return null
  const seen = `${howOf(exchange)} after ${showTime(end.at)}`
  const details = { end }
  if (isDone(exchange)) {
    return warn(
      `the key has ended: the stream sent [DONE] and closed after ${showTime(end.at)}`,
      'signal the key again to open it, or name another stream',
      details,
    )
  }
  if (end.how === 'complete') {
    return warn(
      `${seen}, by the app, its process or a timeout`,
      'see "duration" in the options; where that is longer, look for a restart, or a timeout of the layer in front',
      details,
    )
  }
  return fail(
    seen,
    'look into the logs of the app and the web server: a crash, a limit, or a timeout shorter than the heartbeat does this',
    details,
  )
}

/**
 * Judges what came in the place of a stream's beginning, where that is no matter of buffering: it cannot be
 * read, was ended, or is something else. Null where nothing speaks against waiting for more.
 */
export function checkBeginning(exchange: Exchange): Finding | null {
  const { end, fault, text } = exchange
  if (fault !== null) {
    return fail(
      `a stream that cannot be read: ${fault}`,
      'look at what the app writes, and which layer compresses or rewrites it',
      { end },
    )
  }
  if (end?.how === 'complete') {
    return fail(
      'a stream that ended at once, without "ready": most likely the web server answers while the app is down',
      'start the app, and look into its error log',
      { end },
    )
  }
  if (end && hasEnded(exchange)) {
    return fail(
      `a stream that was ${howOf(exchange)} after ${showTime(end.at)}, before its "ready"`,
      'look into the logs of the app and the web server: a crash or a limit does this',
      { end },
    )
  }
  if (text.length < ENOUGH || LINE.test(text)) return null
  return fail(
    `bytes that are no event stream: they begin with ${quote(text.slice(0, ENOUGH))}`,
    'look at the path, and at what the app writes there',
  )
}

/** How an exchange ended, in words, with the reason where one is known. */
export function howOf({ end, fault }: Exchange): string {
  if (end?.how === 'complete') return 'ended in good order'
  return `${end?.how === 'reset' ? 'reset' : 'cut off'}${fault ? ` (${fault})` : ''}`
}

/** Bytes that are enough to tell the first field's name. */
const ENOUGH = 16
/** How each line of an event stream begins that anybody sends. */
const LINE = /^\uFEFF?\s*(?::|data|event|id|retry|at)/
