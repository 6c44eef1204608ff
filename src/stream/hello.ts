import { createHash } from 'node:crypto'
import type { Connection } from './connection.js'
import { encodeHello } from './frame.js'
import type { StreamRequest } from './request.js'

/**
 * Milliseconds from the first hello of a stream to the second. A client that gets both in one piece knows that the
 * way holds its stream back; on any other they come as far apart as they left.
 */
export const HELLO_GAP = 500

/** Characters of the digest: 96 bits of a SHA-256. */
const LENGTH = 16

/**
 * The hello of one stream. No other client is to hear what a mailbox gives to this one, nor what a hook makes of an
 * event for it, unless the page itself knows who gets the same: the keys do not tell whom a hook takes it for.
 */
export function helloTo({ keys, plan, hooks, named }: StreamRequest): string {
  const once = plan.deliver === 'once'
  return helloOf(once || (hooks?.each && !named) ? null : keys, once)
}

/**
 * The hello of a stream of `keys`, as text on the wire. Its digest is the same in every process and for any order, so
 * two tabs that get the same one may share what they hear. Empty for a source that all clients share; null where each
 * client gets something of its own. `once` is a mailbox, whose ids do not rise.
 */
export function helloOf(keys: readonly string[] | null, once = false): string {
  return encodeHello(keys && (keys.length === 0 ? '' : digestOf([...keys].sort())), once)
}

function digestOf(keys: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(keys)).digest('base64url').slice(0, LENGTH)
}

/**
 * Says `hello` once more, HELLO_GAP later, and then calls `onSaid`. The function that it returns takes that back; it must
 * be called when the connection is over.
 */
export function sayAgain(connection: Connection, hello: string, onSaid: () => void = () => {}): () => void {
  const timer = setTimeout(() => {
    connection.send(hello)
    onSaid()
  }, HELLO_GAP)
  return () => clearTimeout(timer)
}
