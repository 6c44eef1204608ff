import net from 'node:net'
import { type Entry, JOBS, now } from '../record.js'
import { type Block, createBlocks } from './blocks.js'

export interface ReaderSite {
  name: string
  keys: readonly string[]
  /** The port of one of the web processes, another at each call. */
  port: () => number
  log: (entry: Entry) => void
}

/**
 * A client as an EventSource is one: it remembers the last id, comes back with it after each end, and drops a block
 * that was cut off. A reader of the key `jobs` takes from the mailbox.
 */
export interface Reader {
  readonly name: string
  readonly keys: readonly string[]
  readonly nonces: ReadonlySet<string>
  /** When the last reset came. */
  readonly resetAt: number
  /** Ends the connection; it comes back after so many milliseconds. */
  cut(awayMs: number): void
  /** Ends a later connection behind so many bytes of it, wherever that is in a block. */
  cutBehind(bytes: number): void
  /** Reads nothing for so many milliseconds, while the connection stands. */
  stall(ms: number): void
  /** Leaves the connection open, never reads from it again, and comes back on another one. */
  abandon(): void
  close(): void
}

/** Milliseconds without a byte (heartbeats are sent each second) after which a reader tries another connection. */
const SILENCE = 12_000

export function createReader({ name, keys, port, log }: ReaderSite): Reader {
  const nonces = new Set<string>()
  const abandoned = new Set<net.Socket>()
  const isMailbox = keys[0] === JOBS
  let lastId: string | null = null
  let socket: net.Socket | null = null
  let limit = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | null = null
  let isClosed = false
  let isHearing = false
  let resetAt = 0

  function connect(): void {
    if (isClosed) return
    timer = null
    const own = lastId
    const current = net.connect(port(), '127.0.0.1')
    socket = current
    let rest = limit
    limit = Number.POSITIVE_INFINITY
    const feed = createBlocks(
      (status) => {
        isHearing = status === 200
        if (isHearing) log({ type: 'open', t: now(), reader: name, why: '' })
      },
      (block) => current === socket && hear(block, own),
    )
    current.setTimeout(SILENCE, () => lose(current, 'silence', 0))
    current.on('data', (data) => {
      if (current !== socket) return
      feed(data.subarray(0, rest))
      rest -= data.length
      if (rest <= 0) lose(current, 'cut within a block', 50)
    })
    current.on('error', () => {})
    current.on('close', () => lose(current, 'closed', 100))
    const wants = own === null || isMailbox ? '' : `Last-Event-ID: ${own}\r\n`
    const path = isMailbox ? '/jobs' : `/stream?${keys.join()}`
    current.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n${wants}\r\n`)
  }

  function lose(lost: net.Socket, why: string, awayMs: number): void {
    lost.destroy()
    if (lost === socket) leave(why, awayMs)
  }

  function leave(why: string, awayMs: number): void {
    socket = null
    if (isHearing) log({ type: 'gone', t: now(), reader: name, why })
    isHearing = false
    if (timer) clearTimeout(timer)
    if (!isClosed) timer = setTimeout(connect, awayMs)
  }

  function hear({ id, event, data, key }: Block, own: string | null): void {
    if (id !== null) lastId = id
    if (event === 'ready') log({ type: 'ready', t: now(), reader: name, id, own })
    else if (event === 'reset') {
      resetAt = now()
      log({ type: 'reset', t: resetAt, reader: name, id: id ?? '', reason: data ?? '' })
    } else if (event === '' && data !== null && id !== null) {
      const { nonce } = JSON.parse(data) as { nonce: string }
      nonces.add(nonce)
      if (isMailbox) log({ type: 'job', t: now(), reader: name, id, nonce })
      else log({ type: 'got', t: now(), reader: name, id, key: key ?? keys[0] ?? '', nonce })
    }
  }

  connect()
  return {
    name,
    keys,
    nonces,
    get resetAt() {
      return resetAt
    },
    cut: (awayMs) => {
      const current = socket
      if (current) leave('cut', awayMs)
      current?.destroy()
    },
    cutBehind: (bytes) => {
      limit = bytes
    },
    stall: (ms) => {
      const current = socket
      if (!current) return
      current.pause().setTimeout(0)
      log({ type: 'gone', t: now(), reader: name, why: 'stalled' })
      const later = setTimeout(() => {
        if (current !== socket) return
        log({ type: 'open', t: now(), reader: name, why: 'reads again' })
        current.resume().setTimeout(SILENCE)
      }, ms)
      // The run may be over before.
      later.unref()
    },
    abandon: () => {
      if (!socket) return
      abandoned.add(socket.pause().setTimeout(0))
      leave('abandoned', 50)
    },
    close: () => {
      isClosed = true
      if (timer) clearTimeout(timer)
      for (const each of [...abandoned, socket]) each?.destroy()
      socket = null
    },
  }
}
