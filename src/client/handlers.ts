/** What is known of an event besides its data. */
export interface EventInfo {
  /** Its id; empty where it has none. */
  id: string
  /** Its key; null on streams of one key. */
  key: string | null
  /** Its name; null for none. */
  event: string | null
  /** When it was stored, in milliseconds since 1970; null where the stream does not tell. */
  createdAt: number | null
}

/** One event, as iteration gives it. */
export interface LiveEvent extends EventInfo {
  data: unknown
}

/** Handlers by name. */
export interface Handlers {
  /** The returned function takes it back. */
  on(name: string, handler: (...values: never[]) => void): () => void
  /** Calls those of the name. One that throws is reported, and disturbs nothing. */
  call(name: string, ...values: unknown[]): void
}

export function createHandlers(): Handlers {
  const all = new Set<{ name: string; handler: (...values: never[]) => void }>()
  return {
    on: (name, handler) => {
      const entry = { name, handler }
      all.add(entry)
      return () => all.delete(entry)
    },
    call: (name, ...values) => {
      for (const entry of [...all]) {
        if (entry.name !== name || !all.has(entry)) continue
        try {
          entry.handler(...(values as never[]))
        } catch (error) {
          // Browsers report it as any uncaught error.
          queueMicrotask(() => {
            throw error
          })
        }
      }
    },
  }
}
