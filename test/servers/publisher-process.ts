import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { createFileSignal, type FileSignal } from 'file-signal'
import { now } from './listener.js'
import type { Order } from './publisher.js'

/**
 * The publisher of the matrix, in a process of its own: reads orders from stdin, one JSON object a line.
 * An order with a gap publishes on and on, until one with `stop` comes for its key; then, and after an order
 * for one event, it prints { key, published }.
 */
const projects = new Map<string, FileSignal>()
const counts = new Map<string, number>()
const stopped = new Set<string>()

function projectAt(root: string): FileSignal {
  const known = projects.get(root)
  if (known) return known
  const events = createFileSignal({ root })
  projects.set(root, events)
  return events
}

async function obey({ root, key, gap, stop }: Order): Promise<void> {
  if (stop) {
    stopped.add(key)
    return
  }
  const events = projectAt(root)
  // The first call opens the store, which no publisher does for each event.
  await events.stats()
  const begun = performance.now()
  const from = counts.get(key) ?? 0
  let i = from
  do {
    await events.signal(key, { i, at: now() })
    i += 1
    counts.set(key, i)
    if (gap !== undefined) await pause(Math.max(0, begun + (i - from) * gap - performance.now()))
  } while (gap !== undefined && !stopped.has(key))
  stopped.delete(key)
  console.log(JSON.stringify({ key, published: i }))
}

createInterface({ input: process.stdin }).on('line', (line) => void obey(JSON.parse(line) as Order))
