import { refuseUnknown } from '../option-values.js'
import type { SignalFactory, SignalListener } from './engine.js'
import { createListener, type Timing } from './listener.js'
import { createSignalFile } from './signal-file.js'
import { toldOnce } from './told-once.js'

export interface FileSignalEngineOptions {
  /** Poll the file's mtime every 100 ms instead of watching it. Default: watch, and poll where that fails. */
  polling?: boolean
}

const TIMING: Timing = Object.freeze({ reread: 60, poll: 100, selfTest: 500, rearm: 30_000 })

/**
 * Wakes the processes of one machine through one file, written in place after each commit and watched with
 * chokidar. Raising a signal takes a few microseconds, opens no watcher and keeps no process alive.
 *
 * What goes wrong is reported, once, and never thrown: SIGNAL_FAILED where the file cannot be written or
 * used, WATCH_FAILED where it must be polled. `timing` is for tests.
 */
export function fileSignal(
  options: FileSignalEngineOptions = {},
  timing: Partial<Timing> = {},
): SignalFactory {
  refuseUnknown(options, 'fileSignal', ['polling'])
  return (site) => {
    const file = createSignalFile(site)
    const unwritten = toldOnce('SIGNAL_FAILED', site)
    const listeners = new Set<SignalListener>()
    let closed = false
    return {
      name: 'file',
      raise: (head) => {
        if (closed) return
        try {
          file.write(head)
          unwritten.over()
        } catch (cause) {
          unwritten.tell('the signal file cannot be written', cause)
        }
      },
      listen: async (onWake) => {
        const listener = createListener(file, onWake, {
          polling: options.polling ?? false,
          timing: { ...TIMING, ...timing },
          report: site.report,
          recovered: site.recovered,
        })
        listeners.add(listener)
        await listener.start()
        return {
          check: listener.check,
          close: () => {
            listeners.delete(listener)
            return listener.close()
          },
          get mode() {
            return listener.mode
          },
        }
      },
      newest: () => (closed ? null : file.newest()),
      close: async () => {
        closed = true
        await Promise.all([...listeners].map((listener) => listener.close()))
        file.close()
      },
    }
  }
}
