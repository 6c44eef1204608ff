import type { EventInfo, Handlers, LiveEvent } from './handlers.js'

/** So many events may wait: a loop that is slower is told to begin anew. */
const LONGEST = 10_000

/** Gives each event from its first step on, until `isOver`; a state wakes it as an event does. */
export async function* iterate(on: Handlers['on'], isOver: () => boolean): AsyncGenerator<LiveEvent, void> {
  let events: LiveEvent[] = []
  let wake = () => {}
  const off = on('*', (data: unknown, event: EventInfo) => {
    events.push({ ...event, data })
    // What comes in one piece leaves the loop no turn, however quick it is: it is counted behind that.
    if (events.length === LONGEST + 1) setTimeout(drop)
    wake()
  })
  const offState = on('state', () => wake())

  function drop(): void {
    if (events.length <= LONGEST) return
    const last = events.pop() as LiveEvent
    events = [{ ...last, key: null, event: 'reset', createdAt: null, data: { reason: 'slow' } }]
  }

  try {
    for (;;) {
      while (events.length > 0) {
        const some = events
        events = []
        yield* some
      }
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
