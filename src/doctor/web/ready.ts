import type { Exchange } from './exchange.js'
import type { Message } from './sse.js'

/** The event with which every stream of ours begins, once it is there. */
export function readyOf({ stream }: Exchange): Message | undefined {
  return stream.messages.find(({ type }) => type === 'ready')
}

export function isReady(exchange: Exchange): boolean {
  return readyOf(exchange) !== undefined
}
