import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2'
import type { FileSignalError } from '../errors.js'
import { checkEvent } from '../event.js'
import type { HydrateMode } from '../hook-options.js'
import { type StreamDefaults, type StreamOptions, validateStream } from '../options.js'
import { asReported } from '../stream/outage.js'
import { isGone, type Outgoing } from '../stream/outgoing.js'
import type { Streams } from '../stream/streams.js'
import { writeStreamHead } from '../stream/unbuffered.js'
import { type Admission, admit, wishesOf } from './admission.js'
import { bindHooks } from './hooks.js'
import { createKeySource, type Keys } from './keys.js'

/** What the HTTP side is built on. */
export interface HttpSite {
  readonly streams: Streams
  readonly settings: StreamDefaults
  readonly report: (error: FileSignalError) => void
}

export type NodeRequest = IncomingMessage | Http2ServerRequest
export type NodeResponse = ServerResponse | Http2ServerResponse
/** What hooks and sources get of a request. */
export interface NodeContext<Request = NodeRequest> {
  readonly req: Request
  readonly res: NodeResponse
}
export type NodeHandler<Request> = (req: Request, res: NodeResponse) => Promise<void>

const METHODS = 'GET, HEAD, OPTIONS'

/**
 * A handler for node:http, node:http2, Express and Fastify's raw request.
 *
 * Throws KEY_INVALID, EVENT_INVALID and OPTION_INVALID when it is made. The promise resolves once
 * the stream is open or refused, and never rejects: where `keys` or `authorize` throw, the client
 * gets 500 and `report` a STREAM_FAILED.
 */
export function createHandler<Request extends NodeRequest = NodeRequest, Mode extends HydrateMode = 'each'>(
  site: HttpSite,
  keys: Keys<Request>,
  options: StreamOptions<Request, NodeContext<Request>, Mode> = {},
): NodeHandler<Request> {
  const plan = validateStream(options, site.settings, checkEvent)
  const source = createKeySource(keys)
  return createAnswer(
    site.report,
    (req) => admit(req, req, source, plan),
    (req, res, admitted) => {
      const hooks = bindHooks(plan.hooks, () => ({ req, res }))
      return site.streams.open({ response: res, keys: admitted, ...wishesOf(req), plan, hooks })
    },
  )
}

/**
 * A handler for what is streamed to GET. `decide` says whether there is a stream, `open` opens it, or
 * resolves with 'over' where all of it was sent before: that is a 204.
 */
export function createAnswer<Request extends NodeRequest>(
  report: HttpSite['report'],
  decide: (req: Request) => Promise<Admission>,
  open: (req: Request, res: NodeResponse, keys: readonly string[]) => Promise<'open' | 'over'>,
): NodeHandler<Request> {
  async function handle(req: Request, res: NodeResponse): Promise<void> {
    const admission = await decide(req)
    if ('status' in admission) return answer(res, admission.status, admission.text)
    if (req.method === 'HEAD') {
      writeStreamHead(res)
      res.end()
      return
    }
    if ((await open(req, res, admission.keys)) === 'over') answer(res, 204)
  }

  return async (req, res) => {
    if (req.method === 'OPTIONS') return answer(res, 204, '', { Allow: METHODS })
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      return answer(res, 405, 'Method not allowed\n', { Allow: METHODS })
    }
    try {
      await handle(req, res)
    } catch (error) {
      report(
        asReported(
          error,
          'keys or authorize of a stream threw, so it was answered 500, and its EventSource has given up',
        ),
      )
      answer(res, 500, 'Internal server error\n')
    }
  }
}

function answer(res: Outgoing, status: number, text = '', headers: Record<string, string> = {}): void {
  if (isGone(res) || res.headersSent) return
  res.statusCode = status
  res.setHeader('Cache-Control', 'no-store')
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (text) {
    res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    res.setHeader('X-Content-Type-Options', 'nosniff')
  }
  res.end(text)
}
