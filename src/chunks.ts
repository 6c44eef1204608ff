import { TextDecoder } from 'node:util'
import { encodePayload } from './event.js'

/** Turns the chunks of a stream into payloads. It remembers a character whose bytes have not all come. */
export interface Chunks {
  /**
   * The JSON texts of one chunk: one, several for a text above the limit, none for half a character.
   * Throws PAYLOAD_INVALID and PAYLOAD_TOO_LARGE.
   */
  encode(chunk: unknown): string[]
  /** What is left when nothing follows: bytes that are no character become U+FFFD. */
  flush(): string[]
}

/** `limit` is the largest payload in bytes, as JSON. */
export function createChunks(limit: number): Chunks {
  // Made with the first bytes: most streams never see any.
  let decoder: TextDecoder | null = null

  function encode(chunk: unknown): string[] {
    const bytes = bytesOf(chunk)
    if (bytes) {
      decoder ??= createDecoder()
      return encodeText(decoder.decode(bytes, { stream: true }), limit)
    }
    if (typeof chunk === 'string' && chunk !== '') return encodeText(rest() + chunk, limit)
    return [...flush(), encodePayload(chunk, limit)]
  }

  function rest(): string {
    return decoder?.decode() ?? ''
  }

  function flush(): string[] {
    return encodeText(rest(), limit)
  }

  return { encode, flush }
}

/** Bytes as the text that they are by themselves; everything else as it is. */
export function wholeText(data: unknown): unknown {
  const bytes = bytesOf(data)
  return bytes ? createDecoder().decode(bytes) : data
}

/** A byte order mark is part of the text: what is put together must be what came. */
function createDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true })
}

function bytesOf(chunk: unknown): Uint8Array | null {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk)
  if (!ArrayBuffer.isView(chunk)) return null
  return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength)
}

/** Nothing for an empty text. */
function encodeText(text: string, limit: number): string[] {
  if (text === '') return []
  // A UTF-16 unit takes at most 6 bytes as JSON, so most texts need no count.
  if (text.length * 6 + 2 <= limit) return [JSON.stringify(text)]
  return split(text, limit).map((part) => encodePayload(part, limit))
}

/** Cuts between code points, so that each part takes at most `limit` bytes as JSON, quotes included. */
function split(text: string, limit: number): string[] {
  const parts: string[] = []
  let start = 0
  let at = 0
  let room = limit - 2
  for (const character of text) {
    const size = sizeOf(character)
    if (size > room && at > start) {
      parts.push(text.slice(start, at))
      start = at
      room = limit - 2
    }
    at += character.length
    room -= size
  }
  parts.push(text.slice(start))
  return parts
}

/** Bytes of one code point as JSON has it. */
function sizeOf(character: string): number {
  const code = character.codePointAt(0) as number
  if (code >= 0x80 && code < 0xd800) return code < 0x800 ? 2 : 3
  return Buffer.byteLength(JSON.stringify(character)) - 2
}
