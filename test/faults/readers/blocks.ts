/** One block of a `text/event-stream`, with the fields that EventSource ignores. */
export interface Block {
  id: string | null
  event: string
  data: string | null
  key: string | null
}

/** Reads a chunked HTTP/1.1 answer as it comes: `onHead` with its status, `onBlock` with each block that is whole. */
export function createBlocks(onHead: (status: number) => void, onBlock: (block: Block) => void) {
  let raw: Buffer = Buffer.alloc(0)
  let text = ''
  let isHeadRead = false

  function head(): boolean {
    const end = raw.indexOf('\r\n\r\n')
    if (end < 0) return false
    onHead(Number(raw.toString('latin1', 9, 12)))
    raw = raw.subarray(end + 4)
    isHeadRead = true
    return true
  }

  /** Moves whole chunks of the body from `raw` to `text`. */
  function chunks(): void {
    for (;;) {
      const line = raw.indexOf('\r\n')
      if (line < 0) return
      const size = Number.parseInt(raw.toString('latin1', 0, line), 16)
      if (Number.isNaN(size) || raw.length < line + 2 + size + 2) return
      text += raw.toString('utf8', line + 2, line + 2 + size)
      raw = raw.subarray(line + 2 + size + 2)
      if (size === 0) return
    }
  }

  return (data: Buffer) => {
    raw = raw.length === 0 ? data : Buffer.concat([raw, data])
    if (!isHeadRead && !head()) return
    chunks()
    for (let at = text.indexOf('\n\n'); at >= 0; at = text.indexOf('\n\n')) {
      const block = read(text.slice(0, at))
      text = text.slice(at + 2)
      if (block) onBlock(block)
    }
  }
}

function read(lines: string): Block | null {
  const block: Block = { id: null, event: '', data: null, key: null }
  let isEmpty = true
  for (const line of lines.split('\n')) {
    if (line === '' || line.startsWith(':')) continue
    isEmpty = false
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'id') block.id = value
    if (name === 'event') block.event = value
    if (name === 'key') block.key = value
    if (name === 'data') block.data = block.data === null ? value : `${block.data}\n${value}`
  }
  return isEmpty ? null : block
}
