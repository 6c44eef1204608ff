import type { Exchange } from './exchange.js'
import type { Message } from './sse.js'

/** The event with which every stream of ours begins, once it is there. */
export function readyOf({ stream }: Exchange): Message | undefined {
  return stream.messages.find(({ type }) => type === 'ready')
}

/** Where the client stands now, as its next Last-Event-ID; null without any id. A replay is behind "ready". */
export function newestId({ stream }: Exchange): string | null {
  return stream.messages.at(-1)?.id || null
}

export function isReady(exchange: Exchange): boolean {
  return readyOf(exchange) !== undefined
}
