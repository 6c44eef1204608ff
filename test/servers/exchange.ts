import { connect as connectHttp2, constants } from 'node:http2'
import { connect } from 'node:net'
import { type BodyReader, createDecoder, type Decoder, readChunks, readPlain } from './body.js'

export type Headers = Record<string, string>

/** What a response does, as it does it. */
export interface Watcher {
  onHead(status: number, headers: Headers): void
  /** Decoded text, as soon as a browser would have it. */
  onText(text: string): void
  /** The response is over: complete, cut off, or left by us. */
  onEnd(): void
}

export interface Exchange {
  /** Cuts the connection, as a closed tab does. */
  leave(): void
}

/** What a browser's EventSource sends, compression welcome. */
const REQUEST_HEADERS: Headers = {
  accept: 'text/event-stream',
  'accept-encoding': 'gzip, deflate, br',
  'cache-control': 'no-cache',
}

/**
 * Asks for `url` on a connection of its own, reading the socket itself: neither node:http nor the package
 * has a part in what is measured. https means HTTP/2, and `ca` is the certificate to trust.
 */
export function exchange(url: string, watcher: Watcher, more: Headers = {}, ca?: string): Exchange {
  const headers = { ...REQUEST_HEADERS, ...more }
  return new URL(url).protocol === 'https:'
    ? exchangeHttp2(new URL(url), headers, watcher, ca)
    : exchangeHttp1(new URL(url), headers, watcher)
}

function exchangeHttp1(url: URL, headers: Headers, watcher: Watcher): Exchange {
  const socket = connect(Number(url.port), url.hostname)
  const lines = [`GET ${url.pathname}${url.search} HTTP/1.1`, `host: ${url.host}`]
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  socket.setNoDelay(true)
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)

  let head: Buffer = Buffer.alloc(0)
  let body: BodyReader | null = null
  const reader = createReader(watcher, () => socket.destroy())

  socket.on('data', (bytes) => {
    if (!body) {
      head = Buffer.concat([head, bytes])
      const length = head.indexOf('\r\n\r\n')
      if (length < 0) return
      const { status, fields } = parseHead(head.toString('latin1', 0, length))
      reader.begin(status, fields)
      body = createBody(fields, reader.push)
      body.push(head.subarray(length + 4))
    } else body.push(bytes)
    if (body.isComplete()) reader.end()
  })
  socket.on('error', () => {})
  socket.on('close', reader.end)
  return { leave: reader.leave }
}

/** What both HTTP versions do with a response; `cut` drops the connection. */
function createReader(watcher: Watcher, cut: () => void) {
  let decoder: Decoder | null = null
  let state: 'open' | 'ending' | 'over' = 'open'

  function finish(): void {
    if (state === 'over') return
    state = 'over'
    cut()
    decoder?.close()
    watcher.onEnd()
  }

  return {
    begin(status: number, fields: Headers): void {
      watcher.onHead(status, fields)
      decoder = createDecoder(fields['content-encoding'], (text) => watcher.onText(text))
    },
    push: (bytes: Buffer): void => decoder?.push(bytes),
    end(): void {
      if (state !== 'open') return
      state = 'ending'
      if (decoder) decoder.end(finish)
      else finish()
    },
    leave: finish,
  }
}

function parseHead(text: string): { status: number; fields: Headers } {
  const [first = '', ...lines] = text.split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(first)?.[1])
  if (!status) throw new Error(`a response begins with ${JSON.stringify(first)}`)
  const fields: Headers = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    fields[name] = name in fields ? `${fields[name]}, ${value}` : value
  }
  return { status, fields }
}

function createBody(fields: Headers, onBytes: (bytes: Buffer) => void): BodyReader {
  if (fields['transfer-encoding'] === 'chunked') return readChunks(onBytes)
  const length = fields['content-length']
  return readPlain(onBytes, length === undefined ? null : Number(length))
}

function exchangeHttp2(url: URL, headers: Headers, watcher: Watcher, ca: string | undefined): Exchange {
  const session = connectHttp2(url.origin, ca === undefined ? {} : { ca })
  const stream = session.request({ ':path': `${url.pathname}${url.search}`, ...headers })
  const reader = createReader(watcher, () => session.destroy())

  stream.on('response', (fields) => {
    const plain: Headers = {}
    for (const [name, value] of Object.entries(fields)) plain[name] = String(value)
    reader.begin(Number(fields[constants.HTTP2_HEADER_STATUS]), plain)
  })
  stream.on('data', reader.push)
  stream.on('end', reader.end)
  stream.on('error', () => {})
  session.on('error', () => {})
  session.on('close', reader.end)
  return { leave: reader.leave }
}
