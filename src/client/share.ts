import { isPast } from './cursor.js'
import { canShare, type Group, joinGroup } from './group.js'
import { onLife } from './life.js'
import { type Line, type LineSite, openLine } from './line.js'
import type { Block } from './parser.js'
import type { LineState, LiveState } from './states.js'
import { isEnd } from './way.js'

/** What the leader says. */
type Words = Passed | Standing

/** Where it stands, and how its line does. */
interface Standing {
  readonly block?: never
  readonly here: string
  readonly state: LineState
  /** Browsers slow down the timers of a tab that nobody looks at: it comes back late. */
  readonly hidden: boolean
}

/** A block that it got, with its cursor before. */
interface Passed {
  readonly block: Block
  readonly prev: string
  /** Set by the tab that has asked the server for what is missing before the block. */
  asked?: boolean
}

/** Blocks that may wait while a tab asks for what it missed; more are dropped, and asked for in their turn. */
const LONGEST = 10_000

/**
 * One line for all tabs of this origin that listen to the same address as the same user, and get the same keys.
 *
 * One tab leads: it has the connection, and passes on what comes. Each tab has a cursor of its own, so it does not matter
 * who leads, nor when that changes: what a tab had is dropped, and what it misses it asks the server for. A line for
 * this tab alone where browsers cannot share, and where the server gives each client something of its own.
 */
export function openSharedLine(site: LineSite): Line {
  if (!canShare()) return openLine(site)
  let cursor = site.after
  /** Undefined until the server has told. */
  let keys: string | null | undefined
  let group: Group<Words> | null = null
  /** The one for all while this tab leads, or its own; else what asks for that which was missed, or null. */
  let line: Line | null = null
  let role: LiveState['role'] = 'follower'
  let lines: LineState = { state: 'connecting', reason: 'start' }
  let waiting: Passed[] = []
  /** Where its leader stood when the server was asked last: nothing is missing up to there. */
  let settled = ''
  /** Whether the server has answered this tab, and no leader has said yet how it stands with it. */
  let isFresh = false
  /** When a leader that waits should have asked again. */
  let due = 0

  /** The server says first who this tab is, and gives it what is its own to get: a replay, a reset, a refusal. */
  function join(): void {
    catchUp(() => {
      if (keys == null) return lead('alone')
      const { url, settings } = site
      const name = [url, settings.identity, settings.credentials, keys]
      isFresh = true
      group = joinGroup(JSON.stringify(name), { onLead: () => lead('leader'), onLost, onWords, about })
    })
  }

  function about(): Standing {
    // Workers, which may listen, too, have no document.
    return { here: cursor, state: lines, hidden: globalThis.document?.hidden }
  }

  function lead(as: 'alone' | 'leader'): void {
    drop()
    role = as
    line = openLine({
      ...site,
      after: cursor,
      wasStream: true,
      onKeys,
      onBlock: (block, prev) => {
        // First the others: a handler of this page may take its time.
        group?.say({ block, prev })
        deliver(block)
      },
      onState: (state) => {
        if (state.state === 'closed') return end(state)
        lines = state
        group?.say(about())
        tell()
      },
    })
  }

  function onLost(): void {
    drop()
    tell()
  }

  function onWords(words: Words): void {
    if (words.block) {
      take(words)
      return
    }
    const { here, state, hidden } = words
    if (JSON.stringify(state) !== JSON.stringify(lines)) {
      lines = state
      due = performance.now() + Number(state.retryIn)
      tell()
    }
    const isLate = hidden && !about().hidden && performance.now() > due
    if (state.state === 'waiting' && (isFresh || isLate)) group?.queue(true)
    isFresh = false
    if (here !== settled && !isPast(here, cursor)) {
      catchUp(() => {
        settled = here
        follow()
      })
    }
  }

  function take(passed: Passed): void {
    if (line) {
      if (waiting.push(passed) > LONGEST) waiting = []
      return
    }
    // What the leader says behind the end, or before it is known that this tab is somebody else.
    if (!group) return
    const { block, prev } = passed
    const { id, event } = block
    // Whether this tab's own place is lost, too, is for the server to say.
    if (event === 'reset') catchUp(follow)
    else if (!id) deliver(block)
    else if (isPast(id, cursor) && !(isEnd(block) && id === cursor)) return
    else if (passed.asked || prev === cursor || prev === settled || isPast(prev, cursor)) deliver(block)
    else {
      waiting.push({ ...passed, asked: true })
      catchUp(follow)
    }
  }

  function follow(): void {
    const passed = waiting
    waiting = []
    passed.forEach(take)
  }

  /** Asks from this tab's own cursor until there is no more. */
  function catchUp(then: () => void): void {
    line ??= openLine({
      ...site,
      after: cursor,
      mode: 'now',
      wasStream: keys !== undefined,
      onKeys,
      onBlock: deliver,
      onState: (state) => {
        if (state.state === 'closed') end(state)
        else if (!group && state.state !== 'open') {
          lines = state
          tell()
        }
      },
      onWhole: () => {
        line = null
        then()
      },
    })
  }

  function deliver(block: Block): void {
    const prev = cursor
    cursor = block.id ?? cursor
    site.onBlock(block, prev)
    if (isEnd(block) && !line) end({ state: 'closed', reason: 'ended' })
  }

  /** A tab that is somebody else now hears others, and is heard by others. */
  function onKeys(digest: string | null): void {
    if (group && digest !== keys) {
      leave()
      join()
    }
    keys = digest
  }

  function tell(): void {
    site.onState({ ...lines, role })
  }

  function end(state: LineState): void {
    const last = { ...state, role }
    close()
    site.onState(last)
  }

  /** What it asks itself, and what waits for that. */
  function drop(): void {
    line?.close()
    line = null
    role = 'follower'
    waiting = []
  }

  function leave(): void {
    drop()
    group?.leave()
    group = null
  }

  /** A page that is put away holds no lock: it would not be kept, or lead and be asleep. */
  function live(away: boolean): void {
    if (away) leave()
    else if (!group && !line) join()
  }

  function close(): void {
    stop()
    leave()
  }

  const stop = onLife(live)
  join()
  return { close }
}
