/** One block of a stream, as the lines up to a blank one say. */
export interface Block {
  /** Undefined where the block names none: the cursor stays. */
  id?: string | undefined
  /** Empty for none. */
  event: string
  /** Undefined for a block that only moves the cursor. */
  data?: string
  /** Which key an event belongs to, on streams of several keys. */
  key?: string
  /** When the event was stored, in milliseconds since 1970. */
  at?: number
}

/** What a parser finds. */
export interface Findings {
  onBlock(block: Block): void
  /** Milliseconds that the server wants clients to wait before they come back. */
  onRetry?: ((retry: number) => void) | undefined
}

/** Characters of a line, and of the data of an event; our servers send at most about 1 MiB. */
export const LONGEST = 8 * 1024 * 1024

/**
 * Returns a function that takes the bytes of a stream, cut anywhere, and finds what they say, by the rules of
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation. It knows two fields
 * more, `key` and `at`. Throws RangeError, or memory would grow with a line that never ends.
 */
export function createParser({ onBlock, onRetry }: Findings): (bytes: Uint8Array) => void {
  const decoder = new TextDecoder()
  let rest = ''
  let endsInCR = false
  let block: Block = { event: '' }

  function take(line: string): void {
    if (line === '') {
      const whole = block
      block = { event: '' }
      if (whole.data !== undefined || whole.id !== undefined) onBlock(whole)
      return
    }
    const [, field, value = ''] = /^([^:]*):? ?(.*)/s.exec(line) as unknown as [string, string, string]
    if (field === 'data') {
      block.data = block.data === undefined ? value : `${block.data}\n${value}`
      check(block.data)
    } else if (field === 'event' || field === 'key') block[field] = value
    else if (field === 'id') {
      if (!value.includes('\0')) block.id = value
    } else if (field === 'at') block.at = Number(value)
    else if (field === 'retry' && /^\d+$/.test(value)) onRetry?.(Number(value))
  }

  return (bytes) => {
    let text = decoder.decode(bytes, { stream: true })
    if (text === '') return
    if (endsInCR && text[0] === '\n') text = text.slice(1)
    endsInCR = text.endsWith('\r')
    // Only the new text is searched: a long line in many pieces would be searched as often as it has pieces.
    const lines = text.split(/\r\n?|\n/)
    lines[0] = rest + lines[0]
    rest = lines.pop() as string
    check(rest)
    for (const line of lines) take(line)
  }
}

function check(text: string): void {
  if (text.length > LONGEST) throw RangeError()
}
