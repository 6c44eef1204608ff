import type { EventInfo, Handlers, LiveEvent } from './handlers.js'

/** So many events may wait: a loop that is slower is told to begin anew. */
const LONGEST = 10_000

/** Gives each event from its first step on, until `isOver`; a state wakes it as an event does. */
export async function* iterate(on: Handlers['on'], isOver: () => boolean): AsyncGenerator<LiveEvent, void> {
  let events: LiveEvent[] = []
  let wake = () => {}
  const off = on('*', (data: unknown, event: EventInfo) => {
    events.push({ ...event, data })
    if (events.length > LONGEST) {
      events = [{ ...event, key: null, event: 'reset', createdAt: null, data: { reason: 'slow' } }]
    }
    wake()
  })
  const offState = on('state', () => wake())
  try {
    for (;;) {
      for (let event = events.shift(); event; event = events.shift()) yield event
      if (isOver()) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    off()
    offState()
  }
}
