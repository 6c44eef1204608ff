import { type Finding, fail, pass, warn } from '../result.js'
import type { Headers } from './exchange.js'
import { ask, type Client } from './probe.js'
import { isReady } from './ready.js'
import type { Target } from './target.js'

const TIME = 2500

/** Whether the stream comes through for a client that can decode nothing. */
export async function asksPlainly(client: Client, target: Target): Promise<boolean> {
  const { exchange } = await ask(client, target, { encoding: 'identity' })
  const ready = await exchange.until(isReady, TIME)
  exchange.leave()
  return ready
}

/** Judges Content-Encoding; `plain` tells whether the stream came uncompressed when asked so, null where not tried. */
export function checkEncoding(headers: Headers, streams: boolean | null, plain: boolean | null): Finding {
  const encoding = encodingOf(headers)
  const details = { encoding, uncompressedStreams: plain }
  const remedy = 'turn compression off for streams: copy apache/.htaccess or nginx/proxy.conf'
  if (plain && streams === false) {
    const name = encoding ?? 'some coding'
    return fail(`${name}, and the stream comes through only without it`, remedy, details)
  }
  if (encoding === null) return pass('none', details)
  const cost = streams ? ': each event is compressed and flushed by itself, which costs and gains little' : ''
  return warn(`${encoding}${cost}`, remedy, details)
}

export function encodingOf(headers: Headers): string | null {
  const encoding = headers['content-encoding']?.toLowerCase() ?? ''
  return encoding === '' || encoding === 'identity' ? null : encoding
}
