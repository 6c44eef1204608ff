import type { Socket } from 'node:net'
import { createExchange, type Exchange, type Headers, type Intake } from './exchange.js'

/** One request over HTTP/1.1. */
export interface Request1 {
  readonly method: 'GET' | 'HEAD'
  readonly path: string
  /** Names as they are to be sent; `Host` among them. */
  readonly headers: Readonly<Record<string, string>>
}

/** Takes the body's bytes; true once it is complete. */
type Body = (chunk: Buffer) => boolean

const HEAD = 64 * 1024
const CHUNK_LINE = 1024

/**
 * Sends a request on a fresh socket and records what comes back, byte by byte: node:http would tell
 * nothing until a head is whole, and hides what is not quite HTTP.
 */
export function exchange1(socket: Socket, request: Request1): Exchange {
  const intake = createExchange(() => socket.destroy())
  const parse = createParser(intake, request.method === 'HEAD')
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => {
    intake.onByte()
    parse(chunk)
  })
  socket.on('end', () => parse(null))
  socket.on('error', (error: NodeJS.ErrnoException) => intake.onEnd('reset', error.code))
  socket.on('close', () => parse(null))
  socket.write(`${request.method} ${request.path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  return intake.exchange
}

/** Parses what the socket gives; null is its end. */
function createParser(intake: Intake, isHead: boolean): (chunk: Buffer | null) => void {
  let begun = Buffer.alloc(0)
  let body: Body | null = null
  let untilClose = false

  function head(): void {
    const end = begun.indexOf('\r\n\r\n')
    if (end < 0) {
      if (begun.length > HEAD) intake.onEnd('cut', `its headers are longer than ${HEAD} bytes`)
      else if (begun.length >= 5 && begun.toString('latin1', 0, 5) !== 'HTTP/') notHttp()
      return
    }
    const [first = '', ...lines] = begun.toString('latin1', 0, end).split('\r\n')
    const rest = begun.subarray(end + 4)
    const [, version, status] = /^HTTP\/(1\.[01]) (\d{3})(?: |$)/.exec(first) ?? []
    if (version === undefined) {
      notHttp()
      return
    }
    const code = Number(status)
    begun = Buffer.alloc(0)
    // 100 and 103 come before the answer.
    if (code >= 200) answer(code, version, parseHeaders(lines))
    next(rest)
  }

  function answer(code: number, version: string, headers: Headers): void {
    intake.onHead(code, version, headers)
    body = bodyOf(headers, intake)
    untilClose = body === null
    body ??= toData(intake)
    const isEmpty = isHead || code === 204 || code === 304 || headers['content-length'] === '0'
    if (isEmpty) intake.onEnd('complete')
  }

  function next(chunk: Buffer): void {
    if (chunk.length === 0 || intake.exchange.end) return
    if (body) {
      if (body(chunk)) intake.onEnd('complete')
      return
    }
    begun = Buffer.concat([begun, chunk])
    head()
  }

  function notHttp(): void {
    const shown = begun.toString('latin1', 0, 40).replaceAll(/[^\x20-\x7e]/g, '.')
    intake.onEnd('cut', `the answer is no HTTP: it begins with "${shown}"`)
  }

  return (chunk) => {
    if (chunk) next(chunk)
    else intake.onEnd(untilClose ? 'complete' : 'cut')
  }
}

function parseHeaders(lines: readonly string[]): Headers {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) continue
    const name = line.slice(0, colon).trim().toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  return headers
}

/** Null for a body that ends with its connection. */
function bodyOf(headers: Headers, intake: Intake): Body | null {
  if (/chunked\s*$/i.test(headers['transfer-encoding'] ?? '')) return chunked(intake)
  const length = headers['content-length']
  if (length === undefined) return null
  let left = Number(length)
  return (chunk) => {
    intake.onData(chunk.subarray(0, left))
    left -= chunk.length
    return left <= 0
  }
}

function toData(intake: Intake): Body {
  return (chunk) => {
    intake.onData(chunk)
    return false
  }
}

function chunked(intake: Intake): Body {
  let line = ''
  let left = 0
  let state: 'size' | 'data' | 'break' = 'size'

  /** One line of the framing; true where it was the last chunk's. */
  function framing(): boolean {
    if (state === 'break') {
      state = 'size'
      return false
    }
    const size = /^[0-9a-f]+/i.exec(line.trim())?.[0]
    if (size === undefined) {
      intake.onEnd('cut', 'its chunks cannot be read')
      return false
    }
    left = Number.parseInt(size, 16)
    state = 'data'
    // Trailers may follow; nothing here needs them.
    return left === 0
  }

  return (chunk) => {
    for (let at = 0; at < chunk.length && !intake.exchange.end; ) {
      if (state === 'data') {
        const part = chunk.subarray(at, at + left)
        at += part.length
        left -= part.length
        intake.onData(part)
        if (left === 0) state = 'break'
        continue
      }
      const character = String.fromCharCode(chunk[at] as number)
      at += 1
      if (character !== '\n') {
        line += character
        if (line.length > CHUNK_LINE) intake.onEnd('cut', 'its chunks cannot be read')
        continue
      }
      const last = framing()
      line = ''
      if (last) return true
    }
    return false
  }
}
