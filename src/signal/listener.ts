import { networkOf } from '../network-disk.js'
import type { SignalListener, WakeKind } from './engine.js'
import { type Poller, pollFile } from './poller.js'
import type { SignalFile } from './signal-file.js'
import { type ToldSite, toldOnce } from './told-once.js'
import { type Watch, watchFile } from './watcher.js'

/** Milliseconds; tests shorten them. */
export interface Timing {
  /** From a wake-up to the second look: chokidar drops a change that comes within 50 ms of another. */
  readonly reread: number
  /** Between two looks at the file where it cannot be watched. */
  readonly poll: number
  /** How long the self-test waits for the event of its own write; it tries twice. */
  readonly selfTest: number
  /** Between two attempts to watch again. */
  readonly rearm: number
}

export interface ListenPlan {
  /** True to poll, and not even try to watch. */
  readonly polling: boolean
  readonly timing: Timing
  readonly report: (error: unknown) => void
  readonly recovered?: ToldSite['recovered']
}

export interface FileListener extends SignalListener {
  /** Resolves when a change from now on is noticed, by whatever means are left. Never rejects. */
  start(): Promise<void>
}

const MOVE = 'move FILE_SIGNAL_DIR to a local disk, or leave it: polling loses nothing'

/**
 * Wakes on every change of the signal file, from `start` to `close`: by a watcher that has proved itself,
 * else by polling.
 *
 * Whatever happens to the file (deleted with its folder, replaced, made unreadable) is noticed by `check`, or
 * by the second look after the wake-up that it caused, and healed.
 */
export function createListener(
  file: SignalFile,
  onWake: (kind: WakeKind) => void,
  { polling, timing, ...told }: ListenPlan,
): FileListener {
  const unusable = toldOnce('SIGNAL_FAILED', { ...told, signalFile: file.path })
  const unwatched = toldOnce('WATCH_FAILED', told)
  let watch: Watch | null = null
  let armed = false
  let poller: Poller | null = null
  let reread: NodeJS.Timeout | null = null
  let rearm: NodeJS.Timeout | null = null
  let healing: Promise<void> | null = null
  let closed = false

  function wake(kind: WakeKind): void {
    if (closed) return
    if (reread) reread.refresh()
    else reread = setTimeout(lookAgain, timing.reread)
    onWake(kind)
  }

  function lookAgain(): void {
    onWake('re-read')
    void check()
  }

  async function check(): Promise<void> {
    if (!closed && !isWell()) await heal()
  }

  /** Where looking fails, healing meets the same error, and tells it. */
  function isWell(): boolean {
    try {
      return file.isHeld()
    } catch {
      return false
    }
  }

  async function heal(): Promise<void> {
    if (closed) return
    healing ??= armOrPoll().finally(() => {
      healing = null
    })
    await healing
  }

  async function armOrPoll(): Promise<void> {
    const identity = hold()
    if (identity === null) return startPolling()
    const network = polling ? null : networkOf(file.path())
    const fault = network ? new Error(`${network} tells nothing of other machines`) : await arm(identity)
    if (closed) return
    if (fault && !network && !isWell()) return armOrPoll()
    if (fault) {
      unwatched.tell(`"${file.path()}" cannot be watched`, fault, network ? MOVE : undefined)
      rearm ??= setTimeout(armAgain, timing.rearm)
    }
    if (armed) stopPolling()
    else startPolling()
    // A change between the watcher's first moment and its readiness brings no event.
    wake(armed ? 'watch' : 'poll')
  }

  function hold(): string | null {
    try {
      const identity = file.hold()
      unusable.over()
      return identity
    } catch (cause) {
      disarm()
      // Else the next check would find it held, and well.
      file.release()
      unusable.tell('the signal file cannot be used', cause)
      return null
    }
  }

  /** Null when the watcher stands and has proved itself, or is not wanted; else why not. */
  async function arm(identity: string): Promise<Error | null> {
    disarm()
    if (polling) return null
    const fresh = watchFile(file.path(), identity, { onEvent: () => wake('watch'), onLost })
    watch = fresh
    const fault = (await fresh.ready) ?? (await selfTest(fresh))
    if (fault || closed) disarm()
    armed = watch === fresh
    return armed ? null : (fault ?? new Error('the file was replaced'))
  }

  async function selfTest(fresh: Watch): Promise<Error | null> {
    for (let i = 0; i < 2 && watch === fresh; i += 1) {
      // Who may not write the file cannot test its watcher; it most likely works.
      if (!file.touch() || (await fresh.next(timing.selfTest))) return null
    }
    return new Error(`two writes brought no event within ${timing.selfTest} ms`)
  }

  function onLost(): void {
    const wasArmed = armed
    disarm()
    if (wasArmed) void heal()
  }

  function disarm(): void {
    armed = false
    watch?.close()
    watch = null
  }

  function armAgain(): void {
    rearm = null
    void heal()
  }

  function startPolling(): void {
    if (!closed) poller ??= pollFile(file, timing.poll, () => wake('poll'))
  }

  function stopPolling(): void {
    poller?.close()
    poller = null
    if (rearm) clearTimeout(rearm)
    rearm = null
    unwatched.over()
  }

  async function close(): Promise<void> {
    closed = true
    disarm()
    stopPolling()
    if (reread) clearTimeout(reread)
    reread = null
    await healing
    file.release()
  }

  return {
    start: heal,
    check,
    close,
    get mode() {
      return armed ? 'watch' : 'poll'
    },
  }
}
