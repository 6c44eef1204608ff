import { createMemory } from './cursor.js'
import { createHandlers, type EventInfo, guard, type LiveEvent } from './handlers.js'
import { openLine } from './line.js'
import { type ListenOptions, readOptions, readUrl } from './options.js'
import type { Block } from './parser.js'
import { createQueue, type Queue } from './queue.js'
import { openSharedLine } from './share.js'
import { type LineState, type LiveState, tell } from './states.js'

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
  const address = readUrl(url)
  const handlers = createHandlers()
  const queues = new Set<Queue>()
  const memory = settings.remember
    ? createMemory(`file-signal ${address} ${settings.identity ?? ''}`)
    : undefined
  let lastEventId = settings.after || memory?.recall() || ''
  let state: LiveState

  function onBlock({ id, event: name, data: text, key, at }: Block): void {
    if (id !== undefined) {
      lastEventId = id
      memory?.keep(id)
    }
    if (text === undefined || (name === '' && text === '[DONE]')) return
    const data = parse(text)
    const event: EventInfo = { id: id ?? '', key: key ?? null, event: name || null, createdAt: at ?? null }
    for (const queue of queues) queue.push({ ...event, data })
    if (name !== 'state' && name !== '*') handlers.call(name || 'message', data, event)
    handlers.call('*', data, event)
  }

  function onState(next: LineState): void {
    state = tell(next)
    handlers.call('state', state)
    if (state.state === 'closed') for (const queue of queues) queue.end()
  }

  function close(): void {
    line.close()
    settings.signal?.removeEventListener('abort', close)
    if (state.state !== 'closed') onState({ state: 'closed', reason: 'asked' })
  }

  const open = settings.share ? openSharedLine : openLine
  const line = open({ url: address, settings, after: lastEventId, onBlock, onState })
  if (settings.signal?.aborted) close()
  else settings.signal?.addEventListener('abort', close)
  return {
    on: (name: string, handler: (...values: never[]) => void) => {
      if (name === 'state') queueMicrotask(() => guard(() => handler(state as never)))
      return handlers.on(name, handler)
    },
    get state() {
      return state
    },
    get lastEventId() {
      return lastEventId
    },
    close,
    [Symbol.asyncIterator]: () => {
      const queue = createQueue((over) => queues.delete(over))
      queues.add(queue)
      if (state.state === 'closed') queue.end()
      return queue
    },
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
