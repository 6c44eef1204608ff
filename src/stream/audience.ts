import type { Row } from '../payload/engine.js'
import type { Shape } from './frame.js'
import type { Subscription } from './subscription.js'

/** Subscriptions of the same keys and shape: they share every frame and every joined buffer. */
export interface Group {
  readonly name: string
  /** Sorted, each once. */
  readonly keys: ReadonlySet<string>
  readonly shape: Shape
  /** Those of its subscriptions that stand where the tailer stands. */
  readonly live: Set<Subscription>
  /** From this version on the listened keys hold all of this group's. */
  readonly version: number
  members: number
}

/** The keys that somebody listens to, as they were at `version`. Never changed afterwards. */
export interface ListenedKeys {
  readonly keys: ReadonlySet<string>
  readonly version: number
}

/** Who listens to which keys. */
export interface Audience {
  join(keys: readonly string[], shape: Shape): Group
  leave(group: Group): void
  /** The one object for all shapes that look like this one, so that it can be a key of a map. */
  intern(shape: Shape): Shape
  listened(): ListenedKeys
  groupsOf(key: string): Iterable<Group>
  groups(): Iterable<Group>
  /** Of the newest group; pages read with keys of an earlier version do not serve all. */
  readonly version: number
  /** Number of subscriptions, and of keys. */
  readonly members: number
  readonly keys: number
}

/** An audience of nobody. */
export function createAudience(): Audience {
  const groups = new Map<string, Group>()
  const byKey = new Map<string, Set<Group>>()
  const shapes = new Map<string, Shape>()
  let snapshot: ListenedKeys | null = null
  let version = 0
  let members = 0

  function create(name: string, sorted: readonly string[], shape: Shape): Group {
    const fresh = sorted.filter((key) => !byKey.has(key))
    if (fresh.length > 0) changed()
    const group = { name, keys: new Set(sorted), shape, live: new Set<Subscription>(), version, members: 0 }
    for (const key of fresh) byKey.set(key, new Set())
    for (const key of sorted) byKey.get(key)?.add(group)
    groups.set(name, group)
    return group
  }

  function remove(group: Group): void {
    groups.delete(group.name)
    for (const key of group.keys) {
      const listening = byKey.get(key)
      listening?.delete(group)
      if (listening?.size !== 0) continue
      byKey.delete(key)
      changed()
    }
  }

  function changed(): void {
    if (snapshot) version += 1
    snapshot = null
  }

  return {
    join: (keys, wanted) => {
      const sorted = [...keys].sort()
      const look = lookOf(wanted)
      const shape = intern(shapes, look, wanted)
      const name = JSON.stringify([look, sorted])
      const group = groups.get(name) ?? create(name, sorted, shape)
      group.members += 1
      members += 1
      return group
    },
    intern: (shape) => intern(shapes, lookOf(shape), shape),
    leave: (group) => {
      group.members -= 1
      members -= 1
      if (group.members === 0) remove(group)
    },
    listened: () => {
      snapshot ??= { keys: new Set(byKey.keys()), version }
      return snapshot
    },
    groupsOf: (key) => byKey.get(key) ?? [],
    groups: () => groups.values(),
    get version() {
      return version
    },
    get members() {
      return members
    },
    get keys() {
      return byKey.size
    },
  }
}

/** The groups that hear of `rows`, each with its own of them, in order. */
export function rowsByGroup(audience: Audience, rows: readonly Row[]): Map<Group, Row[]> {
  const found = new Map<Group, Row[]>()
  for (const row of rows) {
    for (const group of audience.groupsOf(row.key)) {
      const own = found.get(group)
      if (own) own.push(row)
      else found.set(group, [row])
    }
  }
  return found
}

/** One object per shape, so that it can be a key of a map. There are as many as ways to name events in use. */
function intern(shapes: Map<string, Shape>, look: string, wanted: Shape): Shape {
  const known = shapes.get(look)
  if (known) return known
  shapes.set(look, wanted)
  return wanted
}

/** A text that two shapes share if their frames are the same. */
function lookOf({ keyed, defaultEvent, naming }: Shape): string {
  return JSON.stringify([
    keyed,
    defaultEvent,
    naming && [naming.fromPayload, naming.listed && [...naming.listed]],
  ])
}
