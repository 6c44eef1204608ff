import { FileSignalError, quote } from '../errors.js'
import { isIterable } from '../iterable.js'
import { type SourceOptions, type SourcePlan, validateSource } from '../source-options.js'
import { createSourceServer, type SourceServer } from '../stream/source/serve.js'
import type { Source } from '../stream/source/source.js'
import { admit, type Incoming, type Wishes, wishesOf } from './admission.js'
import { createMiddleware, type KoaBase, type KoaContext, type KoaMiddleware, withParams } from './koa.js'
import { createAnswer, type HttpSite, type NodeContext, type NodeHandler, type NodeRequest } from './node.js'

/** A source whose function gets the context, or null where one run is shared: it must not see one client's request. */
export type SourceOf<Context, Share extends boolean> = Source<Share extends true ? null : Context>

/**
 * Koa middleware that streams what `source` gives to GET, answers HEAD, and leaves other methods to what comes
 * after it. Throws OPTION_INVALID and EVENT_INVALID when it is made.
 */
export function createKoaSource<Context extends KoaBase = KoaBase, Share extends boolean = false>(
  site: HttpSite,
  source: SourceOf<Context & KoaContext, Share>,
  options: SourceOptions<Context & KoaContext, Share> = {},
): KoaMiddleware<Context> {
  const { plan, serve } = prepare<Context & KoaContext, Context & KoaContext>(site, source, options)
  return createMiddleware(
    (ctx) => admit(ctx.req, withParams(ctx), [], plan),
    async (ctx) => serve({ response: ctx.res, context: withParams(ctx), ...wantedOf(ctx.req) }),
  )
}

/** The same for node:http, Express and Fastify; the function's context is `{ req, res }`. Never rejects. */
export function createSourceHandler<Request extends NodeRequest = NodeRequest, Share extends boolean = false>(
  site: HttpSite,
  source: SourceOf<NodeContext<Request>, Share>,
  options: SourceOptions<Request, Share> = {},
): NodeHandler<Request> {
  const { plan, serve } = prepare<NodeContext<Request>, Request>(site, source, options)
  return createAnswer(
    site.report,
    (req) => admit(req, req, [], plan),
    async (req, res) => serve({ response: res, context: { req, res }, ...wantedOf(req) }),
  )
}

function wantedOf(request: Incoming): Wishes & { path: string } {
  const [path = ''] = (request.originalUrl ?? request.url ?? '').split('?')
  return { path, ...wishesOf(request) }
}

function prepare<Context, Asked>(
  site: HttpSite,
  source: unknown,
  options: SourceOptions<Asked>,
): { plan: SourcePlan<Asked>; serve: SourceServer<Context> } {
  const isFunction = typeof source === 'function'
  if (!isFunction && !isIterable(source)) {
    throw new FileSignalError('OPTION_INVALID', `a source is ${quote(source)}`, {
      remedy: 'use a function or an iterable; the events of a key are streamed by stream()',
    })
  }
  const plan = validateSource(options, site.settings, isFunction)
  // With `share` the context is null, and a function that was given for that takes it.
  return {
    plan,
    serve: createSourceServer(site.streams, source as Source<Context | null>, plan, site.report),
  }
}
