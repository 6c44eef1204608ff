import type { Event, FileSignal } from 'file-signal'

/** All events of `key`, oldest first; ends the key. */
export async function storedEvents(events: FileSignal, key: string): Promise<Event[]> {
  const { epoch } = (await events.stats()).store
  await events.end(key)
  const found: Event[] = []
  for await (const event of events.subscribe(key, { after: `${epoch}-0` })) found.push(event)
  return found
}

/** The newest row number. */
export async function headOf(events: FileSignal): Promise<number> {
  return (await events.stats()).store.head
}
