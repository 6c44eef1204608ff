import { type Finding, fail, pass, showTime, skip, warn } from '../result.js'
import { ConnectFault } from './connect-fault.js'
import { type Client, headersOf, open2 } from './probe.js'
import { isReady } from './ready.js'
import { pathOf, type Target, withQuery } from './target.js'

/** What was found out about HTTP/2. */
export interface Second {
  readonly version: Finding
  readonly limit: Finding
  /** True where the stream came through HTTP/2; null where there is none. */
  readonly streams: boolean | null
  /** What a browser gets. */
  readonly http: '1.1' | '2'
}

/** More than the six that Apache runs at once for one connection. */
const STREAMS = 7
const TIME = 2500
const SHARE =
  'share one stream between the tabs of a browser (listen() with share: true), or switch HTTP/2 on (TLS, and http2 on the web server)'

/** Whether browsers get HTTP/2, whether streams work through it, and how many a browser may have open. */
export async function checkHttpVersion(client: Client, target: Target): Promise<Second> {
  if (!target.secure) {
    return {
      version: pass('HTTP/1.1: browsers speak HTTP/2 over TLS alone', { http2: false }),
      limit: ofHttp1(),
      streams: null,
      http: '1.1',
    }
  }
  let session: Awaited<ReturnType<typeof open2>>
  try {
    session = await open2(client, target)
  } catch (error) {
    if (!(error instanceof ConnectFault)) throw error
    return { version: fail(error.message, error.remedy), limit: ofHttp1(), streams: null, http: '1.1' }
  }
  if (!session) {
    return {
      version: pass('HTTP/1.1: HTTP/2 is not offered', { http2: false }),
      limit: ofHttp1(),
      streams: null,
      http: '1.1',
    }
  }
  const headers = headersOf(client, target, {})
  try {
    const first = session.get(pathOf(target), headers)
    const streams = await first.until(isReady, TIME)
    const details = { http2: true, firstByte: first.firstByte, ready: streams }
    const version = streams
      ? pass(`HTTP/2, its first byte after ${showTime(first.firstByte ?? 0)}`, details)
      : fail(
          `HTTP/2, and the stream does not come through it within ${showTime(TIME)}`,
          'see "buffering"; where that finds nothing, look at how the web server passes HTTP/2 on',
          details,
        )
    const limit = streams
      ? await crowd(session, target, headers)
      : skip('not tried: no stream comes through HTTP/2')
    return { version, limit, streams, http: '2' }
  } finally {
    session.close()
  }
}

/** Opens more streams than Apache has room for, and asks for something ordinary beside them. */
async function crowd(
  session: NonNullable<Awaited<ReturnType<typeof open2>>>,
  target: Target,
  headers: Readonly<Record<string, string>>,
): Promise<Finding> {
  const more = Array.from({ length: STREAMS - 1 }, () => session.get(pathOf(target), headers))
  const opened = await Promise.all(more.map((stream) => stream.until(isReady, TIME)))
  const count = 1 + opened.filter(Boolean).length
  const beside = session.get(pathOf(withQuery(target, 'mode', 'short')), headers)
  const answered = await beside.until(({ status }) => status !== null, TIME)
  const details = { asked: STREAMS, opened: count, beside: answered }
  if (count === STREAMS && answered) {
    return pass(
      `${STREAMS} streams on one connection, and a request beside them after ${showTime(beside.firstByte ?? 0)}`,
      details,
    )
  }
  const ended = [...more, beside].find(({ end }) => end?.how === 'reset' || end?.how === 'cut')
  if (ended) {
    return warn(
      `${count} of ${STREAMS} streams on one connection, then the server ended it (${ended.fault ?? ended.end?.how}): a browser opens another for the next tab`,
      'look at its limits of requests and streams for one connection; share one stream between the tabs of a browser',
      details,
    )
  }
  return warn(
    `${count} of ${STREAMS} streams on one connection${answered ? '' : ', and no request beside them'}: this server freezes a browser with more`,
    'share one stream between the tabs of a browser: Apache serves six requests of a connection at once',
    details,
  )
}

function ofHttp1(): Finding {
  return warn(
    'over HTTP/1.1 a browser opens six connections to a site: the seventh tab with a stream hangs',
    SHARE,
    { streams: 6 },
  )
}
