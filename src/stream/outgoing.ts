import type { Writable } from 'node:stream'

/** What a stream uses of a response, from node:http or the compatibility API of node:http2. */
export interface Outgoing extends Writable {
  statusCode: number
  readonly headersSent: boolean
  /** Null where another response of the same socket is not finished: the request was pipelined. */
  readonly socket: object | null
  writeHead(status: number, headers: Record<string, string>): unknown
  setHeader(name: string, value: string | number | readonly string[]): unknown
  removeHeader(name: string): void
}

/** True where the client has gone already, in either HTTP version: then 'close' will not come any more. */
export function isGone(response: Outgoing): boolean {
  if (response.destroyed || response.closed || response.writableEnded) return true
  return 'stream' in response && isDestroyed(response.stream)
}

/**
 * True where the response must wait for another one on its socket. A client that leaves is told to that
 * other response alone, so a stream here would never learn of it. No browser sends such requests.
 */
export function isPipelined(response: Outgoing): boolean {
  return !('stream' in response) && response.socket === null
}

/** Calls `onClose` when the response is gone, unless the function that it returns was called before. */
export function onceClosed(response: Outgoing, onClose: () => void): () => void {
  // 'close' of the request may never come once its body was read.
  response.on('close', onClose)
  response.on('error', ignore)
  return () => {
    response.off('close', onClose)
    response.off('error', ignore)
  }
}

/** Told of one write whether the system has its bytes. Never told where the response goes first. */
export type OnFlushed = (flushed: boolean) => void

/**
 * The callback of a write that tells `onFlushed`. That the callback gets no error is not enough: Node calls it without
 * one for a write that was under way when the socket was destroyed.
 */
export function whenFlushed(response: Outgoing, onFlushed: OnFlushed): (error?: Error | null) => void {
  // An HTTP/1 response has lost its socket by the time it has finished.
  const { socket } = response
  return (error) => onFlushed(!error && !isDestroyed(socket))
}

/** A broken socket is closed as well, and that is what counts. */
function ignore(): void {}

function isDestroyed(stream: unknown): boolean {
  return typeof stream === 'object' && stream !== null && 'destroyed' in stream && stream.destroyed === true
}
