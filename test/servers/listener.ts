import { exchange, type Headers, type Watcher } from './exchange.js'

/** What the publisher process puts into each event. */
export interface Sent {
  readonly i: number
  /** Milliseconds since 1970, with fractions, right before signal(). */
  readonly at: number
}

export interface Received extends Sent {
  readonly id: string
  /** Milliseconds from signal() to here. */
  readonly delay: number
}

/** A reader of one response, as a browser would be; times in milliseconds. */
export interface Listener {
  readonly status: number | null
  readonly headers: Headers
  /** From connecting to the first byte of the body that can be read; null as long as there is none. */
  readonly firstByte: number | null
  readonly events: readonly Received[]
  /** When comment lines came, on performance.now()'s clock. */
  readonly comments: readonly number[]
  readonly retries: readonly number[]
  readonly lastId: string | null
  readonly isReady: boolean
  readonly isOver: boolean
  /** The whole text, for messages. */
  readonly text: string
  leave(): void
}

export interface ListenOptions {
  readonly headers?: Headers
  readonly ca?: string | undefined
}

/** The clock that publisher and listener share: two processes of one machine. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

type Writable<T> = { -readonly [Name in keyof T]: T[Name] }

/** Opens `url`, and reads it as text/event-stream, line by line (HTML standard, 9.2.6). */
export function listen(url: string, options: ListenOptions = {}): Listener {
  const begun = performance.now()
  const events: Received[] = []
  const comments: number[] = []
  const retries: number[] = []
  let rest = ''
  let fields: Record<string, string> = {}

  function dispatch(): void {
    const { id, event, data } = fields
    fields = {}
    if (data === undefined) return
    if (id !== undefined) listener.lastId = id
    if (event === 'ready') listener.isReady = true
    else if (event === undefined && data !== '[DONE]') {
      const sent = JSON.parse(data) as Sent
      events.push({ ...sent, id: id ?? '', delay: now() - sent.at })
    }
  }

  function readLine(line: string): void {
    if (line === '') {
      dispatch()
      return
    }
    if (line.startsWith(':')) {
      comments.push(performance.now())
      return
    }
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'retry') retries.push(Number(value))
    else fields[name] = value
  }

  const listener: Writable<Listener> = {
    status: null,
    headers: {},
    firstByte: null,
    events,
    comments,
    retries,
    lastId: null,
    isReady: false,
    isOver: false,
    text: '',
    leave: () => opened.leave(),
  }
  const watcher: Watcher = {
    onHead(status, headers) {
      listener.status = status
      listener.headers = headers
    },
    onText(text) {
      listener.firstByte ??= performance.now() - begun
      listener.text += text
      if (listener.status !== 200) return
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) readLine(line)
    },
    onEnd() {
      listener.isOver = true
    },
  }
  const opened = exchange(url, watcher, options.headers, options.ca)
  return listener
}
