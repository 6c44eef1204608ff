import type { Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'

/** Takes the bytes of a body as they come, and hands on what a browser would have of them by then. */
export interface BodyReader {
  push(bytes: Buffer): void
  /** True once the body has said that it is complete. */
  isComplete(): boolean
}

/** Reads a chunked body (RFC 9112, 7.1), without trailers. */
export function readChunks(onBytes: (bytes: Buffer) => void): BodyReader {
  let rest: Buffer = Buffer.alloc(0)
  let complete = false
  return {
    push(bytes) {
      rest = Buffer.concat([rest, bytes])
      for (;;) {
        const end = rest.indexOf('\r\n')
        if (end < 0 || complete) return
        const size = Number.parseInt(rest.toString('latin1', 0, end), 16)
        if (Number.isNaN(size))
          throw new Error(`a chunk begins with ${JSON.stringify(rest.toString('latin1', 0, 40))}`)
        if (size === 0) {
          complete = true
          return
        }
        // Browsers hand on a part of a chunk; servers write an event as one chunk, so the whole is waited for.
        if (rest.length < end + 2 + size + 2) return
        onBytes(rest.subarray(end + 2, end + 2 + size))
        rest = rest.subarray(end + 2 + size + 2)
      }
    },
    isComplete: () => complete,
  }
}

/** Reads a body of `length` bytes, or one that ends with its connection. */
export function readPlain(onBytes: (bytes: Buffer) => void, length: number | null): BodyReader {
  let seen = 0
  return {
    push(bytes) {
      seen += bytes.length
      onBytes(bytes)
    },
    isComplete: () => length !== null && seen >= length,
  }
}

export interface Decoder {
  push(bytes: Buffer): void
  /** No more bytes will come; `onEnd` is called once all text has been handed on. */
  end(onEnd: () => void): void
  close(): void
}

/** Undoes a content encoding, and hands on what can be had of it so far; identity where there is none. */
export function createDecoder(encoding: string | undefined, onText: (text: string) => void): Decoder {
  const utf8 = new TextDecoder()
  const take = (bytes: Buffer) => onText(utf8.decode(bytes, { stream: true }))
  const decoder = encoding ? createDecompressor(encoding) : null
  if (!decoder) return { push: take, end: (onEnd) => onEnd(), close: () => {} }
  decoder.on('data', take)
  // Cut off in the middle, as a stream is that the server drops.
  decoder.on('error', () => decoder.destroy())
  return {
    push: (bytes) => void decoder.write(bytes),
    end(onEnd) {
      decoder.once('close', onEnd)
      decoder.end()
    },
    close: () => void decoder.destroy(),
  }
}

function createDecompressor(encoding: string): Transform | null {
  if (encoding === 'gzip') return createGunzip({ finishFlush: constants.Z_SYNC_FLUSH })
  if (encoding === 'deflate') return createInflate({ finishFlush: constants.Z_SYNC_FLUSH })
  if (encoding === 'br') return createBrotliDecompress()
  if (encoding === 'identity') return null
  throw new Error(`the body has the content encoding "${encoding}", which was not asked for`)
}
