import { parse } from './attempt.js'
import { keep, recall } from './cursor.js'
import { createHandlers, type EventInfo, type LiveEvent } from './handlers.js'
import { iterate } from './iterate.js'
import { openLine } from './line.js'
import { type ListenOptions, readOptions, readUrl } from './options.js'
import type { Block } from './parser.js'
import { openSharedLine } from './share.js'
import { type LineState, type LiveState, tell } from './states.js'
import { isEnd } from './way.js'

export type { EventInfo, ListenOptions, LiveEvent, LiveState }

/** A stream that is listened to. Iterating it gives each event from then on, resets too, until it is closed. */
export interface Live extends AsyncIterable<LiveEvent> {
  /** Calls the handler with each state, and soon with the one that is. The returned function takes it back. */
  on(name: 'state', handler: (state: LiveState) => void): () => void
  /**
   * Calls the handler with the data of each event of that name. `message` stands for events without a name, `*`
   * for all, `reset` says that events were missed, `end` why a key ended otherwise than well. Data that is no
   * JSON is given as text. The returned function takes the handler back.
   */
  on<Data = unknown>(name: string, handler: (data: Data, event: EventInfo) => void): () => void
  readonly state: LiveState
  /** The id of the newest event; empty before the first. */
  readonly lastEventId: string
  close(): void
}

/**
 * Listens to a stream of file-signal.
 *
 *     const live = listen('/stream/orders.sse')
 *     live.on('order', (data, event) => show(data))
 *     live.on('reset', () => location.reload())
 *     live.on('state', ({ state, message }) => lamp(state, message))
 *
 * It comes back by itself, from where it was. Throws TypeError for an address that is none, and for options
 * that it does not know.
 */
export function listen(url: string | URL, options: ListenOptions = {}): Live {
  const settings = readOptions(options)
  const address = readUrl(url, settings)
  const handlers = createHandlers()
  const name = settings.remember && `file-signal ${address} ${settings.identity}`
  let lastEventId = settings.after || (name && recall(name)) || ''
  let state: LiveState

  function onBlock(block: Block): void {
    const { id, event: named, data: text, key, at } = block
    if (id !== undefined) {
      lastEventId = id
      if (name) keep(name, id)
    }
    if (text === undefined || isEnd(block)) return
    const data = parse(text)
    const event: EventInfo = { id: id ?? '', key: key ?? null, event: named || null, createdAt: at ?? null }
    if (named !== 'state' && named !== '*') handlers.call(named || 'message', data, event)
    handlers.call('*', data, event)
  }

  function onState(next: LineState): void {
    state = tell(next)
    if (state.state === 'closed') settings.signal?.removeEventListener('abort', close)
    handlers.call('state', state)
  }

  function close(): void {
    line.close()
    if (state.state !== 'closed') onState({ state: 'closed', reason: 'asked' })
  }

  const open = settings.share ? openSharedLine : openLine
  const line = open({ url: address, settings, after: lastEventId, onBlock, onState })
  if (settings.signal?.aborted) close()
  else settings.signal?.addEventListener('abort', close)
  return {
    on: (wanted: string, handler: (...values: never[]) => void) => {
      let isOn = true
      if (wanted === 'state') queueMicrotask(() => isOn && handler(state as never))
      settings.names.add(wanted)
      const off = handlers.on(wanted, handler)
      return () => {
        isOn = false
        off()
      }
    },
    get state() {
      return state
    },
    get lastEventId() {
      return lastEventId
    },
    close,
    [Symbol.asyncIterator]: () => iterate(handlers.on, () => state.state === 'closed'),
  }
}
