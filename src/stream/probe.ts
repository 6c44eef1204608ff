import type { StreamSettings } from '../options.js'
import { helloOf, sayAgain } from './hello.js'
import type { StreamRequest } from './request.js'
import type { Responses } from './responses.js'

/**
 * Answers with two hellos, HELLO_GAP apart, and ends. A client asks for this to look whether the way lets through
 * again what it held back: no event is taken for it, no hook is called, and the store is not asked.
 */
export function openProbe(
  accept: Responses['accept'],
  { response, plan, keys }: Pick<StreamRequest, 'response' | 'keys'> & { plan: StreamSettings },
): void {
  let cancel = () => {}
  const connection = accept(response, plan, { drained: () => {}, left: () => cancel() })
  if (!connection) return
  const hello = helloOf(keys)
  connection.send(hello)
  cancel = sayAgain(connection, hello, connection.end)
}
