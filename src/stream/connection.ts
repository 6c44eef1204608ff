import type { Writable } from 'node:stream'

/** What a stream uses of a response, from node:http or the compatibility API of node:http2. */
export interface Outgoing extends Writable {
  statusCode: number
  readonly headersSent: boolean
  setHeader(name: string, value: string | number | readonly string[]): unknown
  removeHeader(name: string): void
}
