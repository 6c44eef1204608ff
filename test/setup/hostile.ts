import { createServer as createHttp, type RequestListener, request } from 'node:http'
import { createSecureServer as createHttp2, type ServerHttp2Stream } from 'node:http2'
import { createServer as createTcp, type Server, type Socket } from 'node:net'
import { createServer as createTls } from 'node:tls'
import { listen } from './web-server.js'

/** A server of a test, and how to end it with all that is connected. */
export interface Hostile {
  readonly port: number
  readonly url: string
  stop(): Promise<void>
}

/** A server that does with each connection whatever a test wants. */
export function serveRaw(onSocket: (socket: Socket) => void): Promise<Hostile> {
  return start(createTcp(onSocket), 'http')
}

/** The same behind TLS. */
export function serveTls(
  certificate: { key: string; cert: string; ALPNProtocols?: string[] },
  onSocket: (socket: Socket) => void,
): Promise<Hostile> {
  return start(createTls(certificate, onSocket), 'https')
}

export function serveHttp(listener: RequestListener): Promise<Hostile> {
  return start(createHttp(listener), 'http')
}

/** HTTP/2 for clients that offer it, with each stream as a test wants it, and HTTP/1.1 for others. */
export function serveHttp2(
  certificate: { key: string; cert: string },
  onStream: (stream: ServerHttp2Stream) => void,
  listener: RequestListener,
): Promise<Hostile> {
  const server = createHttp2({ ...certificate, allowHTTP1: true })
  server.on('stream', onStream)
  server.on('request', (incoming, outgoing) => {
    if (incoming.httpVersion === '1.1') listener(incoming as never, outgoing as never)
  })
  return start(server, 'https')
}

/**
 * What a proxy holds back of a response until its end: all of it, what follows the first piece, as nginx does, or
 * what does not fill 4 KiB; or nothing.
 */
export type Holding = 'all' | 'what follows' | '4 KiB' | 'nothing'

const PIECE = 4096

/**
 * A reverse proxy that holds responses back, as buffering web servers do. It calls itself nginx. A function is
 * asked at each response.
 */
export function serveBuffering(port: number, holding: Holding | (() => Holding)): Promise<Hostile> {
  return serveHttp((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const inner = request({ host: '127.0.0.1', port, method, path: url, headers, agent: false }, (answer) => {
      const { 'x-accel-buffering': _, 'content-length': __, ...rest } = answer.headers
      const kind = typeof holding === 'function' ? holding() : holding
      let held: Buffer = Buffer.alloc(0)
      let pieces = 0
      outgoing.writeHead(answer.statusCode ?? 502, { ...rest, server: 'nginx/1.22.1' })
      answer.on('data', (chunk: Buffer) => {
        held = Buffer.concat([held, chunk])
        pieces += 1
        const passes = passing(kind, held.length, pieces)
        if (passes > 0) outgoing.write(held.subarray(0, passes))
        held = held.subarray(passes)
      })
      answer.on('end', () => outgoing.end(held))
      answer.on('error', () => outgoing.destroy())
    })
    inner.on('error', () => outgoing.destroy())
    outgoing.on('close', () => inner.destroy())
    inner.end()
  })
}

/** How much passes of so many bytes, when the piece of this number has come. */
function passing(holding: Holding, bytes: number, piece: number): number {
  if (holding === 'all') return 0
  if (holding === 'what follows') return piece === 1 ? bytes : 0
  return holding === '4 KiB' ? bytes - (bytes % PIECE) : bytes
}

/** An answer as it goes over the wire. */
export function answer(status: string, headers: Record<string, string>, body = ''): string {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status}\r\n${lines.join('')}\r\n${body}`
}

async function start(server: Server, scheme: string): Promise<Hostile> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.on('tlsClientError', () => {})
  server.on('secureConnection', (socket: Socket) => socket.on('error', () => {}))
  const port = await listen(server)
  return {
    port,
    url: `${scheme}://127.0.0.1:${port}`,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
