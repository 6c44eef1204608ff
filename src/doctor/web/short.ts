import { type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import { ask, type Client } from './probe.js'
import { newestId, readyOf } from './ready.js'
import { type Target, withQuery } from './target.js'

/** What a short response has told. */
export interface Short {
  /** True where it came whole, and ended by itself. */
  readonly works: boolean
  /** The stream's cursor, which later requests can go on after. */
  readonly cursor: string | null
  readonly time: number | null
  readonly finding: Finding
}

const TIME = 3000

/**
 * Asks for a short response, which is answered at once where the client has no cursor: it reaches browsers
 * also through layers that hand on nothing before the end.
 */
export async function checkShort(client: Client, target: Target): Promise<Short> {
  const { exchange } = await ask(client, withQuery(target, 'mode', 'short'))
  await exchange.until(() => false, TIME)
  exchange.leave()
  const ready = readyOf(exchange)
  const details = { status: exchange.status, end: exchange.end, ready: ready !== undefined }
  const failed = (finding: Finding): Short => ({ works: false, cursor: null, time: null, finding })
  if (exchange.status === null) {
    return failed(
      fail(`no answer within ${showTime(TIME)}`, 'look whether the app answers other requests', details),
    )
  }
  if (exchange.status !== 200) {
    return failed(
      warn(`?mode=short is answered with status ${exchange.status}`, 'let the query through', details),
    )
  }
  if (exchange.end?.how !== 'complete') {
    const seen =
      exchange.end?.how === 'left' ? `not ended within ${showTime(TIME)}` : `cut off (${exchange.end?.how})`
    return failed(
      skip(`${seen}: this is no stream of file-signal, or one that does not know ?mode=short`, null, details),
    )
  }
  if (!ready) {
    return failed(skip('ended, and without "ready": this is no stream of file-signal', null, details))
  }
  const { at } = exchange.end
  return {
    works: true,
    cursor: newestId(exchange),
    time: at,
    finding: pass(`whole after ${showTime(at)}`, details),
  }
}
