import type { LiveEvent } from './handlers.js'

/** The events that one loop has not taken yet. */
export interface Queue extends AsyncIterator<LiveEvent> {
  push(event: LiveEvent): void
  end(): void
  return(): Promise<IteratorResult<LiveEvent>>
}

/** So many events may wait: a loop that takes longer is told to begin anew. */
const LONGEST = 10_000

const DONE = { done: true, value: undefined } as const

export function createQueue(onEnd: (queue: Queue) => void): Queue {
  let events: LiveEvent[] = []
  let takers: ((result: IteratorResult<LiveEvent>) => void)[] = []
  let isOver = false

  const queue: Queue = {
    push: (event) => {
      const taker = takers.shift()
      if (taker) return taker({ done: false, value: event })
      events.push(event)
      if (events.length > LONGEST) {
        events = [{ id: event.id, key: null, event: 'reset', createdAt: null, data: { reason: 'slow' } }]
      }
    },
    end: () => {
      isOver = true
      for (const taker of takers) taker(DONE)
      takers = []
      onEnd(queue)
    },
    next: () =>
      new Promise((resolve) => {
        const value = events.shift()
        if (value) resolve({ done: false, value })
        else if (isOver) resolve(DONE)
        else takers.push(resolve)
      }),
    return: async () => {
      events = []
      queue.end()
      return DONE
    },
  }
  return queue
}
