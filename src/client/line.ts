import { ask } from './ask.js'
import { parse } from './attempt.js'
import { type StreamWatch, seekWay, watchStream } from './buffering.js'
import { isPast } from './cursor.js'
import { onLife } from './life.js'
import type { Block } from './parser.js'
import { bound, CAP, delay, RETRY } from './retry.js'
import type { LineState, Reason } from './states.js'
import { IMPATIENCE, LEAST, PATIENCE, PROOF } from './times.js'
import { isEnd, type Verdict, type Way } from './way.js'

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
  /** Whether there was a stream at this address before: what is none now may be one again. */
  readonly wasStream?: boolean
  onWhole?(): void
}

/** One connection to a stream, opened again and again until it is closed, or closed by the server. */
export interface Line {
  /** Ends it, and tells no state. */
  close(): void
}

export function openLine(site: LineSite): Line {
  let cursor = site.after
  let told: string | undefined
  /** Why it connects. */
  let reason: Reason = 'start'
  let isOver = false
  let isAway = false
  /** Something on the way holds streams back. */
  let isHeld = false
  let retry = RETRY
  let failures = 0
  let heartbeat = 15_000
  let heardAt = 0
  let { wasStream } = site
  /** Ids come in any order, as a mailbox deals out, until hello says otherwise. */
  let isMail: boolean | undefined = true
  /** Whether the request under way has brought anything. */
  let hasNews = false
  /** Requests in a row that were silent from their beginning. */
  let mutes = 0
  let watch: StreamWatch | undefined
  /** Ends the request under way, for a reason that is not the answer's. */
  let interrupt = (_reason?: Reason) => {}
  /** Ends the pause under way, unless it is too early for that. */
  let wake = () => {}
  const seeker = seekWay(site, () => hold(false))

  async function run(): Promise<void> {
    while (!isOver) {
      say(isHeld ? { state: 'buffered', reason: 'held' } : { state: 'connecting', reason })
      const verdict = await attempt()
      if (isOver) return
      reason = verdict.reason
      if (site.mode && verdict.whole && verdict.state === 'waiting') {
        if (hasNews) continue
        close()
        return site.onWhole?.()
      }
      if (verdict.state === 'closed' && !(reason === 'not-a-stream' && wasStream)) {
        close()
        return say(verdict)
      }
      if (reason !== 'silent') mutes = 0
      else if (mutes < 2) continue
      if (reason !== 'held') await pause(verdict)
    }
  }

  /** One request, from its beginning to whatever ends it. */
  async function attempt(): Promise<Verdict> {
    const control = new AbortController()
    let ending: Verdict | undefined
    hasNews = false
    mutes++
    interrupt = (reason = 'asked') => {
      ending ??= { state: 'waiting', reason }
      control.abort()
    }
    const startedAt = Date.now()
    heardAt = startedAt
    const watchdog = setInterval(() => check(PATIENCE), 1000)
    const mode = site.mode ?? (isHeld ? 'short' : '')
    watch = mode ? undefined : watchStream(site, hold, seeker.reset)
    const verdict = await ask(site, mode, cursor, control.signal, {
      onBytes: () => {
        heardAt = Date.now()
        mutes = 0
        watch?.onBytes()
      },
      onRetry: (wanted) => {
        retry = bound(wanted)
      },
      onBlock: take,
    })
    watch?.close()
    clearInterval(watchdog)
    control.abort()
    if (!mutes && Date.now() - startedAt > PROOF) failures = 0
    return ending ?? verdict
  }

  function take(block: Block): void {
    if (isOver) return
    wasStream = true
    if (!isHeld) say({ state: 'open', reason: 'ready' })
    const { id, event, data = '{}' } = block
    if (event === 'hello') {
      watch?.onHello()
      const { keys, once } = read(data) as { keys: string | null; once?: boolean }
      isMail = once
      site.onKeys?.(keys)
    } else if (event === 'ready') {
      const { heartbeat: given = 0 } = read(data) as { heartbeat?: number }
      if (given > 0) heartbeat = given
      // Another cursor than our own is followed by a reset, which moves it and tells.
      if (id && !cursor) move({ id, event: '' })
    } else if (event === 'reset' || isEnd(block) || isMail || !id || !isPast(id, cursor)) {
      failures = 0
      hasNews ||= !isMail && id !== undefined
      move(block)
    }
  }

  function move(block: Block): void {
    const prev = cursor
    cursor = block.id ?? cursor
    site.onBlock(block, prev)
  }

  function say(state: LineState): void {
    const next = state.state + state.reason
    if (next !== told) site.onState(state)
    told = next
  }

  /** From streaming to short answers, or back; or from one stream to the next. */
  function hold(held: boolean): void {
    // A new connection heals one that died while it was idle; what is silent on two in a row is slow.
    if (!held && !isHeld && mutes > 1) return
    reason = held || isHeld ? 'held' : 'silent'
    isHeld = held
    seeker[held ? 'start' : 'stop']()
    interrupt(reason)
    wake()
  }

  async function pause({ after = 0, whole, ...state }: Verdict): Promise<void> {
    const isQuiet = isHeld && whole
    if (isQuiet) failures = 0
    const ms = delay(retry, after, failures++)
    const isOffline = reason !== 'server' && navigator.onLine === false
    const notBefore = Date.now() + after
    let timer: ReturnType<typeof setTimeout> | undefined
    await new Promise<void>((resolve) => {
      wake = () => {
        if (isOver || (!isAway && Date.now() >= notBefore)) resolve()
      }
      if (isAway) return
      // Browsers may be wrong about that.
      timer = setTimeout(resolve, isOffline ? CAP : ms)
      if (isOffline) say({ state: 'waiting', reason: 'offline' })
      else if (!isQuiet) say({ ...state, state: 'waiting', retryIn: ms })
    })
    clearTimeout(timer)
  }

  function check(patience = IMPATIENCE): void {
    // A clock that is set back must not make a dead line look young.
    if (Math.abs(Date.now() - heardAt) > Math.max(LEAST, patience * heartbeat)) interrupt('silent')
  }

  function live(away: boolean): void {
    isAway = away
    if (away) {
      seeker.stop()
      interrupt('hidden')
    } else {
      check()
      wake()
      if (isHeld) seeker.look()
    }
  }

  function close(): void {
    isOver = true
    stop()
    seeker.stop()
    interrupt()
    wake()
  }

  const stop = onLife(live)
  void run()
  return { close }
}

/** What the server says of itself; nothing where that is of another make. */
function read(data: string): object {
  return Object(parse(data))
}
