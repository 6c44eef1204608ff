import { until } from './wait.js'

/** Kinds of resources that hold the process, with their number: FSEventWrap is a watcher, ProcessWrap a child. */
export type Alive = ReadonlyMap<string, number>

export function alive(): Alive {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** What holds the process now and did not `before`; waits for its end first, for closing takes a while. */
export async function leftSince(before: Alive): Promise<string[]> {
  // Closing takes the loop a few turns, and chokidar leaves throttling timers of up to 100 ms.
  await until(() => moreThan(before).length === 0, 'the end of what was opened', 2000).catch(() => {})
  return moreThan(before)
}

function moreThan(before: Alive): string[] {
  const found: string[] = []
  for (const [kind, count] of alive()) {
    const more = count - (before.get(kind) ?? 0)
    if (more > 0) found.push(`${more} ${kind}`)
  }
  return found
}
