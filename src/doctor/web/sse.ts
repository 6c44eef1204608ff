/** One message of a stream, and when it came. */
export interface Message {
  readonly type: string
  readonly id: string
  readonly data: string
  readonly at: number
  /** The field `at:` of our events: when it was stored, in milliseconds since 1970; null without it. */
  readonly storedAt: number | null
}

/** What has come over a stream so far, by the rules of EventSource. */
export interface SseReader {
  readonly messages: readonly Message[]
  /** When each comment line came that is too short to be padding: these are heartbeats. */
  readonly heartbeats: readonly number[]
  /** True once a comment of a hundred bytes or more came: padding against layers that wait for bytes. */
  readonly padded: boolean
  /** The reconnection time in milliseconds, null where none was sent. */
  readonly retry: number | null
  feed(text: string, at: number): void
}

/** A line longer than any event may be: whatever this is, it is no stream of ours. */
const LONGEST = 2 * 1024 * 1024
const PADDING = 100

/** Reads a stream that may be anything: lines are bounded, and nothing throws. */
export function createSseReader(): SseReader {
  const messages: Message[] = []
  const heartbeats: number[] = []
  let rest = ''
  let padded = false
  let retry: number | null = null
  let fields = { type: '', data: [] as string[], storedAt: null as number | null }
  let lastId = ''

  function line(text: string, at: number): void {
    if (text === '') {
      dispatch(at)
      return
    }
    if (text.startsWith(':')) {
      if (text.length >= PADDING) padded = true
      else heartbeats.push(at)
      return
    }
    const colon = text.indexOf(':')
    const name = colon < 0 ? text : text.slice(0, colon)
    const value = colon < 0 ? '' : text.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') fields.data.push(value)
    else if (name === 'event') fields.type = value
    else if (name === 'id') lastId = value
    else if (name === 'at' && /^\d{1,15}$/.test(value)) fields.storedAt = Number(value)
    else if (name === 'retry' && /^\d+$/.test(value)) retry = Number(value)
  }

  function dispatch(at: number): void {
    if (fields.data.length > 0) {
      const { type, data, storedAt } = fields
      messages.push({ type: type || 'message', id: lastId, data: data.join('\n'), at, storedAt })
    }
    fields = { type: '', data: [], storedAt: null }
  }

  return {
    messages,
    heartbeats,
    get padded() {
      return padded
    },
    get retry() {
      return retry
    },
    feed: (text, at) => {
      // A CR at the end may be half of a CRLF.
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      if (rest.length > LONGEST) rest = ''
      for (const each of lines) line(each, at)
    },
  }
}
