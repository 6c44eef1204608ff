import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { FileSignalError } from '../errors.js'
import type { StreamOptions, StreamSettings } from '../options.js'
import type { Streams } from '../stream/streams.js'
import type { Keys } from './keys.js'

/** What the HTTP side is built on. */
export interface HttpSite {
  readonly streams: Streams
  readonly settings: StreamSettings
  readonly report: (error: FileSignalError) => void
}

export type NodeRequest = IncomingMessage | Http2ServerRequest
export type NodeResponse = ServerResponse | Http2ServerResponse
export type NodeHandler<Request> = (req: Request, res: NodeResponse) => Promise<void>

/**
 * A handler for node:http, node:http2, Express and Fastify's raw request.
 *
 * Throws KEY_INVALID, EVENT_INVALID and OPTION_INVALID when it is made. The promise resolves once
 * the stream is open or refused, and never rejects.
 */
export declare function createHandler<Request extends NodeRequest = IncomingMessage>(
  site: HttpSite,
  keys: Keys<Request>,
  options?: StreamOptions<Request>,
): NodeHandler<Request>
