import { FileSignalError } from '../../errors.js'
import type { Mailbox, PayloadEngine } from '../../payload/engine.js'
import { overAt } from '../ends.js'
import type { Start } from '../start.js'

/** The engine's ability to be a mailbox. Throws OPTION_INVALID where it has none. */
export function mailboxOf(payload: PayloadEngine): Mailbox {
  if (payload.mailbox) return payload.mailbox
  const what = `deliver is "once", which the engine ${payload.name} cannot do`
  throw new FileSignalError('OPTION_INVALID', what, {
    remedy: 'use sqlite() or memory(), or an engine of your own with a mailbox',
  })
}

/**
 * Where a stream of a mailbox begins: at the head, for what waits is claimed and not replayed. It is over where every
 * key has ended and none of their events is left. Rejects as the store does.
 */
export async function findMailboxStart(payload: PayloadEngine, keys: readonly string[]): Promise<Start> {
  const { epoch, over } = await mailboxOf(payload).claim({ keys, holder: '', count: 0 })
  const { n } = await payload.head()
  return {
    cursor: { epoch, n },
    reset: null,
    ended: new Set(),
    page: null,
    forgiven: null,
    over: over && (await overAt(payload, epoch, over, true)),
  }
}
