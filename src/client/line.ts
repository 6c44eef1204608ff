import { ask, type Mode, type Verdict, type Way } from './ask.js'
import { isPast } from './cursor.js'
import type { Block } from './parser.js'
import { bound, delay, RETRY } from './retry.js'
import type { LineState } from './states.js'

/** What a line is given, and whom it tells. */
export interface LineSite extends Way {
  /** The id to go on after; empty for none. */
  readonly after: string
  /** Gets every block but `ready` and `hello`, once and in order, with the cursor before it. */
  onBlock(block: Block, prev: string): void
  onState(state: LineState): void
  /** Gets the digest of the keys that this client was given, at each connect; null where nobody else gets the same. */
  onKeys?(digest: string | null): void
  /** `now` asks for what there is after the cursor, and is over when there is no more: then `onWhole` is called. */
  readonly mode?: 'now'
  onWhole?(): void
}

/** One connection to a stream, opened again and again until it is closed, or closed by the server. */
export interface Line {
  /** The id of the newest block. */
  readonly cursor: string
  /** Something has happened that may have cost the connection: looks at once. */
  check(): void
  /** Ends it, and tells no state. */
  close(): void
}

/** Milliseconds that prove a connection to be one, even if it brought nothing. */
const PROOF = 10_000
/** Heartbeats that may be missing until a line is dead: on a timer, and when the page comes back to life. */
const PATIENCE = 2.5
const IMPATIENCE = 1.25

export function openLine(site: LineSite): Line {
  const { url, settings } = site
  let cursor = site.after
  let isOver = false
  let isAway = false
  let retry = RETRY
  let failures = 0
  let heartbeat = 15_000
  let heardAt = 0
  const mode: Mode | '' = site.mode ?? ''
  let wasStream = false
  let isReady = false
  /** What comes is for nobody else: a mailbox deals out in any order. */
  let isOwn = false
  /** Whether the request under way has brought anything. */
  let hasNews = false
  /** Ends the request under way, for a reason that is not the answer's. */
  let interrupt = (_verdict?: Verdict) => {}
  /** Ends the pause under way; false where it is too early for that. */
  let wake = () => {}

  async function run(): Promise<void> {
    let last: LineState = { state: 'connecting', reason: 'start' }
    while (!isOver) {
      site.onState({ state: 'connecting', reason: last.reason })
      const verdict = await attempt()
      if (isOver) return
      if (site.mode && verdict.whole && verdict.state === 'waiting') {
        if (hasNews) continue
        close()
        return site.onWhole?.()
      }
      if (verdict.state === 'closed' && !(verdict.reason === 'not-a-stream' && wasStream)) {
        close()
        return site.onState(verdict)
      }
      last = { ...verdict, state: 'waiting' }
      if (verdict.reason !== 'silent') await pause(last, verdict.after)
    }
  }

  /** One request, from the first byte to whatever ends it. */
  async function attempt(): Promise<Verdict> {
    const control = new AbortController()
    const startedAt = Date.now()
    let ending: Verdict | undefined
    isReady = hasNews = false
    interrupt = (verdict) => {
      ending ??= verdict
      control.abort()
    }
    heardAt = startedAt
    const watchdog = setInterval(() => check(PATIENCE), 1000)
    const verdict = await ask({ url, settings }, mode, cursor, control.signal, {
      onBytes: () => {
        heardAt = Date.now()
      },
      onRetry: (wanted) => {
        retry = bound(wanted)
      },
      onBlock: take,
    })
    clearInterval(watchdog)
    control.abort()
    if (Date.now() - startedAt > PROOF) failures = 0
    return ending ?? verdict
  }

  function take(block: Block): void {
    if (isOver) return
    if (!isReady) {
      isReady = wasStream = true
      site.onState({ state: 'open', reason: 'ready' })
    }
    const { event, data = '{}' } = block
    if (event === 'hello') {
      const { keys } = JSON.parse(data)
      isOwn = keys === null
      site.onKeys?.(keys)
    } else if (event === 'ready') {
      heartbeat = JSON.parse(data).heartbeat
      // Another cursor than our own is followed by a reset, which moves it and tells.
      if (block.id && !cursor) move({ id: block.id, event: '' })
    } else if (event === 'reset' || data === '[DONE]' || isOwn || !block.id || !isPast(block.id, cursor)) {
      failures = 0
      hasNews ||= block.id !== undefined
      move(block)
    }
  }

  function move(block: Block): void {
    const prev = cursor
    cursor = block.id ?? cursor
    site.onBlock(block, prev)
  }

  async function pause(state: LineState, after = 0): Promise<void> {
    const ms = delay(retry, after, failures++)
    const isOffline = state.reason === 'network' && globalThis.navigator?.onLine === false
    const notBefore = Date.now() + after
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      wake = () => {
        if (isOver || (!isAway && Date.now() >= notBefore)) resolve()
      }
      if (isAway) return
      if (!isOffline) timer = setTimeout(resolve, ms)
      site.onState(isOffline ? { state: 'waiting', reason: 'offline' } : { ...state, retryIn: ms })
    })
    clearTimeout(timer)
  }

  function check(patience = IMPATIENCE): void {
    if (Date.now() - heardAt > patience * heartbeat) interrupt({ state: 'waiting', reason: 'silent' })
  }

  /** What happens to a page; a page that is put away keeps nothing open, or browsers would not keep the page. */
  function live({ type }: Event): void {
    if (type === 'pagehide') {
      isAway = true
      interrupt({ state: 'waiting', reason: 'hidden' })
    } else if (type !== 'visibilitychange' || document.visibilityState === 'visible') {
      if (type === 'pageshow') isAway = false
      check()
      wake()
    }
  }

  function close(): void {
    isOver = true
    for (const type of LIFE) globalThis.removeEventListener?.(type, live, true)
    interrupt()
    wake()
  }

  for (const type of LIFE) globalThis.addEventListener?.(type, live, true)
  void run()
  return {
    get cursor() {
      return cursor
    },
    check,
    close,
  }
}

const LIFE = ['online', 'visibilitychange', 'pageshow', 'pagehide', 'resume']
