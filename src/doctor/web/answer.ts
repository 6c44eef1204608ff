import { quote } from '../../errors.js'
import { type Finding, fail, pass, showTime, warn } from '../result.js'
import type { Exchange } from './exchange.js'

/** What a status means for a stream, and what to do. Each of them closes a browser's EventSource for ever. */
const STATUSES: Readonly<Record<number, readonly [what: string, remedy: string]>> = {
  204: ['every key of this stream has ended', 'signal the key again, or name another stream'],
  304: ['a cache answers in the place of the app', 'keep the stream’s path out of every cache'],
  400: ['the app does not accept the key that the address names', 'look at the key'],
  401: ['a login is asked for', 'pass what a logged-in browser sends: --header "Cookie: …"'],
  403: [
    'the app’s authorize, or the web server, refuses it',
    'pass what a logged-in browser sends: --header "Cookie: …"; else look at the rules of the web server',
  ],
  404: [
    'there is no such route, or the web server does not hand this path on to the app',
    'look at the path, and at what the web server serves itself: a missing file ends there',
  ],
  405: ['a GET is not allowed there', 'look at the path'],
  406: [
    'the app did not see "Accept: text/event-stream"',
    'look for what changes the Accept header on the way: a proxy, or a security module',
  ],
  429: [
    'there were too many requests',
    'raise the limit for the stream’s path: each tab is one long request',
  ],
  500: ['the app or its start failed', 'look into the error log of the app or the panel'],
  502: [
    'the web server gets no answer from the app',
    'start the app, and look at the port or socket of the proxy',
  ],
  503: [
    'the app is not running, or its limits are reached',
    'start the app; look at its limits in the panel',
  ],
  504: ['the app did not answer the web server in time', 'look whether the app hangs'],
  508: [
    'CloudLinux counts too many entry processes',
    'each open stream may count as one: share one stream between tabs, or take a larger plan',
  ],
  520: ['Cloudflare cannot make sense of the answer', 'ask the server behind Cloudflare directly'],
  521: [
    'Cloudflare is refused by the server behind it',
    'start that server, or let Cloudflare’s addresses in',
  ],
  522: ['Cloudflare does not reach the server behind it', 'look at its address and its firewall'],
  524: ['Cloudflare waited 100 s for the first byte', 'look whether the app hangs'],
  525: [
    'Cloudflare’s TLS handshake with the server behind it failed',
    'look at the certificate of that server',
  ],
}

/**
 * Judges status and content type: whether this is an event stream at all. `withheld` is the address that redirects
 * have led to, where it did not get the headers that were given; null where there is none.
 */
export function checkAnswer(
  { status, headers, head, text, version }: Exchange,
  withheld: URL | null,
): Finding {
  const type = headers['content-type'] ?? ''
  const details = { status, type, version, head }
  if (status !== 200) {
    const [what, remedy] = STATUSES[status ?? 0] ?? [
      'this is no stream',
      'look at the path, and into the logs',
    ]
    if (withheld && (status === 401 || status === 403)) {
      return fail(
        `status ${status}: ${what}; the headers given were not sent to ${withheld.host}`,
        `look at ${withheld.href} itself, if that site may have them`,
        details,
      )
    }
    return fail(`status ${status}: ${what}`, remedy, details)
  }
  if (/^text\/event-stream\b/i.test(type)) {
    return pass(`200 ${type}, HTTP/${version}${head === null ? '' : `, after ${showTime(head)}`}`, details)
  }
  if (/html/i.test(type)) {
    return fail(
      `an HTML page${titleOf(text)}, no event stream`,
      'look at the path: the web server or the app answers it with a page, a login or a challenge among them',
      details,
    )
  }
  const shown = type === '' ? 'an answer without a content type' : `content of type ${quote(type)}`
  return fail(
    `${shown}, no event stream`,
    'look at the path: EventSource takes text/event-stream alone',
    details,
  )
}

/**
 * Judges how long the first byte took; what the way costs is known from the connection. `slow` is how long a
 * request before this one had waited in vain.
 */
export function checkFirstByte(firstByte: number | null, slow: number | null, tcp: number): Finding {
  const details = { firstByte, slow, connection: tcp }
  if (firstByte === null) return fail('nothing came, not even headers', 'see "buffering"', details)
  const seen = `after ${showTime(firstByte)}`
  if (slow !== null || firstByte - tcp > 1000) {
    const note = slow === null ? '' : `, and not within ${showTime(slow)} when asked for the first time`
    return warn(
      seen + note,
      'the app had to be started first, or works before it opens the stream: panels stop apps that nobody visits',
      details,
    )
  }
  return pass(seen, details)
}

function titleOf(text: string): string {
  const title = /<title[^>]*>([^<]{1,200})/i.exec(text)?.[1]?.replaceAll(/\s+/g, ' ').trim()
  return title ? ` with the title ${quote(title)}` : ''
}
