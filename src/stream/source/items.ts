import { createChunks, wholeText } from '../../chunks.js'
import { checkEvent, encodePayload, PAYLOAD_CAP } from '../../event.js'
import { encodeItem } from '../frame.js'
import { readOutcome } from '../outcome.js'

/** Turns the items of one run into what goes over the wire. It remembers half a character of bytes. */
export interface ItemEncoder {
  /**
   * An item as one event, or several for bytes above the cap; null where there is nothing to send. What a callback
   * gives is whole, what an iterable gives goes on with the next item. Throws the codes of events and payloads.
   */
  encode(item: unknown, kind: 'callback' | 'iterable'): Buffer | null
  /** What is left of bytes when nothing follows. */
  flush(): Buffer | null
}

/** `defaultEvent` is the name of items that name none. */
export function createItemEncoder(defaultEvent: string | null): ItemEncoder {
  const chunks = createChunks(PAYLOAD_CAP)
  let name = defaultEvent

  return {
    encode: (item, kind) => {
      const outcome = readOutcome(item)
      if (!outcome) return null
      name = outcome.event === undefined ? defaultEvent : checkEvent(outcome.event)
      if (kind === 'callback') return frame(name, [encodePayload(wholeText(outcome.data), PAYLOAD_CAP)])
      return frame(name, chunks.encode(outcome.data))
    },
    flush: () => frame(name, chunks.flush()),
  }
}

function frame(event: string | null, payloads: readonly string[]): Buffer | null {
  if (payloads.length === 0) return null
  return Buffer.from(payloads.map((payload) => encodeItem(event, payload)).join(''))
}
