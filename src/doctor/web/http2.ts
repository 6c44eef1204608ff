import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  constants,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { reasonOf } from '../result.js'
import { createExchange, type Exchange, type Headers } from './exchange.js'

/** One HTTP/2 connection, on which several requests share one socket, as a browser's do. */
export interface Session2 {
  get(path: string, headers: Readonly<Record<string, string>>): Exchange
  close(): void
}

/** Speaks HTTP/2 on a socket that has agreed on it. */
export function session2(socket: TLSSocket, origin: URL): Session2 {
  const session = connectHttp2(origin, { createConnection: () => socket })
  session.on('error', () => {})
  return {
    get: (path, headers) => request(session, path, headers),
    close: () => session.destroy(),
  }
}

function request(
  session: ClientHttp2Session,
  path: string,
  headers: Readonly<Record<string, string>>,
): Exchange {
  let stream: ClientHttp2Stream
  try {
    stream = session.request({
      ':path': path,
      ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    })
  } catch (error) {
    // After a GOAWAY, or where the connection is gone, there is no stream that could tell.
    const intake = createExchange(() => {})
    intake.onEnd('reset', reasonOf(error))
    return intake.exchange
  }
  const intake = createExchange(() => stream.close(constants.NGHTTP2_CANCEL))
  stream.on('response', (found) => {
    const list: [string, string][] = Object.entries(found).flatMap(([name, value]) =>
      name.startsWith(':') || value === undefined ? [] : [[name, String(value)]],
    )
    intake.onByte()
    intake.onHead(found[':status'] ?? 0, '2', Object.fromEntries(list) satisfies Headers)
  })
  stream.on('data', (chunk: Buffer) => intake.onData(chunk))
  stream.on('end', () => intake.onEnd('complete'))
  stream.on('error', (error) => intake.onEnd('reset', error.message))
  stream.on('close', () => intake.onEnd('cut'))
  return intake.exchange
}
