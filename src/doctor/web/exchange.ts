import type { Transform } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { createSseReader, type SseReader } from './sse.js'

/** Headers with lower-case names; those that came several times are joined by commas. */
export type Headers = Readonly<Record<string, string>>

/** How an answer ended: `complete` by its own rules, `cut` without them, `reset` by force, `left` by the doctor. */
export type End = 'complete' | 'cut' | 'reset' | 'left'

/** One request and what came back, with the time of everything, in milliseconds since the request was sent. */
export interface Exchange {
  readonly status: number | null
  readonly headers: Headers
  /** `1.1`, `1.0` or `2`. */
  readonly version: string | null
  readonly firstByte: number | null
  readonly head: number | null
  /** First and last byte of the body, as it came over the wire. */
  readonly body: number | null
  readonly last: number | null
  readonly bytes: number
  readonly end: { readonly how: End; readonly at: number } | null
  /** Why this is no HTTP, or cannot be read; null where all is well. */
  readonly fault: string | null
  readonly stream: SseReader
  /** The beginning of the body as text. */
  readonly text: string
  /** Milliseconds since the request was sent. */
  now(): number
  /** Waits until `condition` holds or the exchange has ended, for at most `ms`. Resolves with whether it holds. */
  until(condition: (exchange: Exchange) => boolean, ms: number): Promise<boolean>
  /** Leaves as a browser does that closes its tab. Idempotent. */
  leave(): void
}

/** The side of an exchange that a transport feeds. */
export interface Intake {
  onByte(): void
  onHead(status: number, version: string, headers: Headers): void
  onData(chunk: Buffer): void
  onEnd(how: End, fault?: string): void
  readonly exchange: Exchange
}

const TEXT = 8 * 1024
/** Far more than any check needs. A stream that sends more is left, so that nothing here can grow for ever. */
const MOST = 16 * 1024 * 1024

/** Records an answer as it comes; `hangUp` ends the transport underneath. */
export function createExchange(hangUp: () => void): Intake {
  const began = performance.now()
  const now = (): number => performance.now() - began
  const waiting = new Set<() => void>()
  const stream = createSseReader()
  const utf8 = new StringDecoder('utf8')
  let decoder: Transform | null = null
  let decoded = 0

  const state = {
    status: null as number | null,
    headers: {} as Headers,
    version: null as string | null,
    firstByte: null as number | null,
    head: null as number | null,
    body: null as number | null,
    last: null as number | null,
    bytes: 0,
    end: null as Exchange['end'],
    fault: null as string | null,
    stream,
    text: '',
  }

  function look(): void {
    for (const each of [...waiting]) each()
  }

  function end(how: End, fault?: string): void {
    if (state.end) return
    state.end = { how, at: now() }
    state.fault ??= fault ?? null
    decoder?.destroy()
    look()
    hangUp()
  }

  /** What the decoder still holds belongs to the answer. */
  function finish(how: End, fault?: string): void {
    if (!decoder) {
      end(how, fault)
      return
    }
    state.fault ??= fault ?? null
    decoder.once('end', () => end(how))
    decoder.end()
  }

  function plain(chunk: Buffer): void {
    decoded += chunk.length
    const text = utf8.write(chunk)
    if (state.text.length < TEXT) state.text += text.slice(0, TEXT - state.text.length)
    stream.feed(text, now())
    if (decoded > MOST) end('left', `more than ${MOST} bytes came`)
    else look()
  }

  const exchange: Exchange = Object.assign(state, {
    now,
    until: (condition: (exchange: Exchange) => boolean, ms: number) =>
      new Promise<boolean>((resolve) => {
        const timer = setTimeout(settle, Math.max(0, ms), true)
        function settle(late = false): void {
          const holds = condition(exchange)
          if (!holds && !late && !state.end) return
          clearTimeout(timer)
          waiting.delete(settle)
          resolve(holds)
        }
        waiting.add(settle)
        settle()
      }),
    leave: () => end('left'),
  })

  return {
    exchange,
    onByte: () => {
      state.firstByte ??= now()
    },
    onHead: (status, version, headers) => {
      Object.assign(state, { status, version, headers, head: now() })
      decoder = decoderOf(headers['content-encoding'])
      decoder?.on('data', plain)
      decoder?.on('error', (error) => end('cut', `its Content-Encoding cannot be decoded (${error.message})`))
      look()
    },
    onData: (chunk) => {
      if (state.end || decoder?.writableEnded) return
      state.body ??= now()
      state.last = now()
      state.bytes += chunk.length
      if (decoder) {
        decoder.write(chunk)
        look()
      } else plain(chunk)
    },
    onEnd: (how, fault) => {
      if (!decoder?.writableEnded) finish(how, fault)
    },
  }
}

/** Null for what needs no decoding, and for codings that this Node does not know. */
function decoderOf(coding: string | undefined): Transform | null {
  const flush = constants.Z_SYNC_FLUSH
  switch (coding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip({ flush, finishFlush: flush })
    case 'deflate':
      return createInflate({ flush, finishFlush: flush })
    case 'br':
      return createBrotliDecompress({
        flush: constants.BROTLI_OPERATION_FLUSH,
        finishFlush: constants.BROTLI_OPERATION_FLUSH,
      })
    default:
      return null
  }
}
