import type { Page } from '../payload/engine.js'
import { type Audience, type Group, rowsByGroup } from './audience.js'
import { createBatch, createFrames } from './batch.js'
import type { Subscriptions } from './subscription.js'

/**
 * Hands a page of the tailer to the live subscriptions that it concerns, and to no other: two thousand
 * idle streams of other keys cost nothing.
 *
 * `version` is that of the keys the page was read with; `replaced` tells that another store stands there.
 */
export function dispatch(
  page: Page,
  version: number,
  replaced: boolean,
  audience: Audience,
  subscriptions: Pick<Subscriptions, 'receive' | 'miss'>,
): void {
  const rows = rowsByGroup(audience, page.rows)
  const frames = createFrames(page.head.epoch)
  const toAll = replaced || page.floor > page.from
  const marked = markedGroups(page, audience)

  function visit(group: Group): void {
    if (group.version > version) {
      for (const subscription of group.live) subscriptions.miss(subscription, page)
    } else if (toAll || rows.has(group) || marked.has(group)) {
      const batch = createBatch(page.head.epoch, rows.get(group) ?? [], frames(group.shape))
      for (const subscription of group.live) subscriptions.receive(subscription, page, batch)
    }
  }

  if (toAll || audience.version > version) {
    for (const group of audience.groups()) visit(group)
  } else {
    for (const group of rows.keys()) visit(group)
    for (const group of marked) if (!rows.has(group)) visit(group)
  }
}

const NONE: ReadonlySet<Group> = new Set()

function markedGroups(page: Page, audience: Audience): ReadonlySet<Group> {
  if (page.pruned.size === 0) return NONE
  const found = new Set<Group>()
  for (const key of page.pruned.keys()) {
    for (const group of audience.groupsOf(key)) found.add(group)
  }
  return found
}
