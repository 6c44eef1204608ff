import { type FSWatcher as DirectWatcher, watch as watchDirectly } from 'node:fs'
import type { FSWatcher } from 'chokidar'

/** A file that is being watched for one listener. */
export interface Watch {
  /** Resolves with null when the watcher stands, else with why it does not. Never rejects. */
  readonly ready: Promise<Error | null>
  /** Resolves with true at the next event, with false after `ms` without one, or when the watch ends. */
  next(ms: number): Promise<boolean>
  /** Idempotent. */
  close(): void
}

interface Listener {
  readonly onEvent: () => void
  readonly onLost: (why: Error) => void
}

interface Shared {
  readonly identity: string
  readonly listeners: Set<Listener>
  readonly ready: Promise<Error | null>
  end(why: Error): void
}

/**
 * Watchers of this process, by path. chokidar keeps one fs.watch per path for all its users, and after the
 * file was replaced, as long as one user holds on, gives the others the watcher of the old file: dead. So
 * we have one user per path, and end it when the file is another.
 */
const watches = new Map<string, Shared>()

/**
 * Watches one file with chokidar, for as many listeners of this process as there are. `identity` tells which
 * file is meant, as a path may come to name another: a watch of an earlier one ends, and calls `onLost`.
 *
 * `onEvent` comes from fs.watch on the same inotify watch, and again with chokidar's own events: chokidar
 * looks at the file before it tells even its raw event, which takes a wake-up a tenth of its way, and then
 * throttles `change` to one in 50 ms and drops the rest. It notices more (replaced, deleted), a moment later.
 */
export function watchFile(path: string, identity: string, listener: Listener): Watch {
  if (watches.get(path)?.identity !== identity) watches.get(path)?.end(new Error('the file was replaced'))
  const shared = watches.get(path) ?? open(path, identity)
  const waiting = new Set<(heard: boolean) => void>()
  let closed = false
  const own: Listener = {
    onEvent: () => {
      for (const heard of waiting) heard(true)
      listener.onEvent()
    },
    onLost: (why) => {
      close()
      listener.onLost(why)
    },
  }

  function close(): void {
    if (closed) return
    closed = true
    for (const heard of waiting) heard(false)
    shared.listeners.delete(own)
    if (shared.listeners.size === 0) shared.end(new Error('closed'))
  }

  shared.listeners.add(own)
  return { ready: shared.ready, next: async (ms) => !closed && hear(waiting, ms), close }
}

function open(path: string, identity: string): Shared {
  const listeners = new Set<Listener>()
  let settle = (_fault: Error | null): void => {}
  const ready = new Promise<Error | null>((resolve) => {
    settle = resolve
  })
  let watcher: FSWatcher | null = null
  let direct: DirectWatcher | null = null
  let ended = false

  function end(why: Error): void {
    if (ended) return
    ended = true
    if (watches.get(path) === shared) watches.delete(path)
    // chokidar closes at once; its promise is for others' plug-ins.
    void watcher?.close()
    direct?.close()
    settle(why)
    for (const listener of listeners) listener.onLost(why)
  }

  async function start(): Promise<void> {
    const { watch } = await import('chokidar')
    if (ended) return
    direct = watchDirectly(path, { persistent: true }, tell).on('error', end)
    watcher = watch(path, { ignoreInitial: true, atomic: false, followSymlinks: false })
    // With inotify spent, chokidar emits an error, and then `ready` as if all were well.
    watcher.on('error', (error) => end(error instanceof Error ? error : new Error(String(error))))
    watcher.on('ready', () => settle(null))
    watcher.on('all', tell)
  }

  function tell(): void {
    for (const listener of listeners) listener.onEvent()
  }

  const shared: Shared = { identity, listeners, ready, end }
  watches.set(path, shared)
  start().catch((error) => end(error instanceof Error ? error : new Error(String(error))))
  return shared
}

/** A blocked loop runs its timers before its events, so the timer lets the events of that turn come first. */
function hear(waiting: Set<(heard: boolean) => void>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => setImmediate(heard, false), ms)
    function heard(was: boolean): void {
      clearTimeout(timer)
      waiting.delete(heard)
      resolve(was)
    }
    waiting.add(heard)
  })
}
