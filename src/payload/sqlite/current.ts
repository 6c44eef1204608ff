import type { Hint } from '../../event.js'
import type { Head } from '../engine.js'
import { isAhead, renew } from './connection.js'
import type { Opened } from './opener.js'

/**
 * The head, after making sure that the store was not put back to an earlier state in its own file: then
 * its head is below what this process has seen, or below the newest signal. The hint is read first,
 * since rows are committed before they are signalled.
 */
export function current(opened: Opened, newestSignal: () => Hint | null): Head {
  const { connection } = opened
  const hint = newestSignal()
  const isRestored = (head: Head): boolean =>
    (head.epoch === opened.known.epoch && head.n < opened.known.n) || isAhead(connection, hint, head)
  let head = connection.head()
  if (isRestored(head)) {
    head = connection.transaction('BEGIN IMMEDIATE', () => {
      if (isRestored(connection.head())) renew(connection, hint)
      return connection.head()
    })
  }
  opened.known = head
  opened.knownAt = performance.now()
  return head
}
