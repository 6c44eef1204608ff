import type { Hint } from '../event.js'
import type { SignalFactory, WakeKind } from './engine.js'

/** Wakes the readers of this process only: for tests, and for apps of one process. */
export function memorySignal(): SignalFactory {
  return () => {
    const listeners = new Set<(kind: WakeKind) => void>()
    let newest: Hint | null = null
    return {
      name: 'memory',
      raise: (head) => {
        newest = head
        for (const wake of listeners) wake('watch')
      },
      listen: async (onWake) => {
        listeners.add(onWake)
        return {
          mode: 'watch',
          check: async () => {},
          close: async () => void listeners.delete(onWake),
        }
      },
      newest: () => newest,
      close: async () => listeners.clear(),
    }
  }
}
