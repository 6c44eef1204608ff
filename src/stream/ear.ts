import type { SignalEngine, SignalListener, WakeKind } from '../signal/engine.js'
import type { Outage } from './outage.js'

/** Keeps a signal engine listened to for as long as that is wanted. */
export interface Ear {
  /** Takes effect as soon as what was wanted before is done: a listener may take a while to open. */
  want(wanted: boolean): void
  /** Lets the listener look after itself, or tries again to have one. Never rejects. */
  check(): Promise<void>
  readonly mode: 'watch' | 'poll' | null
  /** Resolves when nothing opens or closes any more. */
  settled(): Promise<void>
}

/** One listener at a time, however quickly streams come and go: they may share one watched file. */
export function createEar(signal: () => SignalEngine, onWake: (kind: WakeKind) => void, outage: Outage): Ear {
  let wanted = false
  let listener: SignalListener | null = null
  let settling: Promise<void> | null = null

  function reconsider(): void {
    if (!settling && wanted !== (listener !== null)) settling = settle()
  }

  async function settle(): Promise<void> {
    try {
      while (wanted !== (listener !== null)) {
        if (wanted) await open()
        else await close()
      }
    } catch (error) {
      outage.failed(error)
    } finally {
      settling = null
    }
  }

  async function open(): Promise<void> {
    listener = await signal().listen((kind) => {
      if (wanted) onWake(kind)
    })
    outage.worked()
    // What was committed while it opened was not heard.
    if (wanted) onWake('sweep')
  }

  async function close(): Promise<void> {
    const closing = listener
    listener = null
    await closing?.close()
  }

  return {
    want: (value) => {
      wanted = value
      reconsider()
    },
    check: async () => {
      if (!listener || !wanted) return reconsider()
      try {
        await listener.check()
      } catch (error) {
        outage.failed(error)
      }
    },
    get mode() {
      return listener && wanted ? listener.mode : null
    },
    settled: async () => {
      while (settling) await settling
    },
  }
}
