import type { IncomingMessage, ServerResponse } from 'node:http'
import { codeOf, FileSignalError, quote } from '../errors.js'
import { checkEvent } from '../event.js'
import type { HydrateMode } from '../hook-options.js'
import { loadLibrary } from '../library.js'
import { type StreamOptions, validateStream } from '../options.js'
import { isGone } from '../stream/outgoing.js'
import { keepUncompressed, writeStreamHead } from '../stream/unbuffered.js'
import { type Admission, admit, wishesOf } from './admission.js'
import { createClientFile } from './client-file.js'
import { bindHooks } from './hooks.js'
import { createKeySource, type Keys } from './keys.js'
import { readListedStream } from './listed.js'
import type { HttpSite } from './node.js'

const LEAVING = ['ECONNRESET', 'EPIPE', 'ECONNABORTED']

/** What every context of Koa has, with a router above it or not. */
export interface KoaBase {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  readonly url: string
  readonly path: string
  readonly ip: string
  readonly query: Readonly<Record<string, string | string[] | undefined>>
  readonly params?: Readonly<Record<string, string | undefined>> | undefined
  readonly state: Record<string, unknown>
  status: number
  body: unknown
  respond?: boolean | undefined
  compress?: unknown
  get(field: string): string
  onerror?(error: unknown): void
}

/**
 * The context as callbacks see it: with `params`, which are empty without a router. Annotate a callback
 * with a type of Koa's own to see more: `(ctx: Context) => ctx.session.user`.
 */
export interface KoaContext extends KoaBase {
  readonly params: Readonly<Record<string, string | undefined>>
}

export type KoaMiddleware<Context = KoaBase> = (ctx: Context, next: () => Promise<unknown>) => Promise<void>

export interface KoaRoutesOptions<Context = KoaContext, Mode extends HydrateMode = 'each'>
  extends StreamOptions<Context, Context, Mode> {
  /** What the paths begin with, for example `/events`. Default: nothing. */
  prefix?: string
  /** Asked at each connect, with the keys that the browser named: without it everybody could read every key. */
  authorize: NonNullable<StreamOptions<Context>['authorize']>
}

/** What is used of the @koa/router Router that `routes()` returns. */
export interface KoaRoutes {
  routes(): KoaMiddleware
  allowedMethods(): KoaMiddleware
}

/** What is used of the @koa/router Router. */
export interface Router<Context> extends KoaRoutes {
  get(path: string, middleware: KoaMiddleware<Context>): unknown
}

/**
 * Koa middleware that streams the events of `keys` to GET, answers HEAD, and leaves other methods to
 * what comes after it. It returns once the stream is open or refused.
 *
 * `listed` names events by key. Throws KEY_INVALID, EVENT_INVALID and OPTION_INVALID when it is made. What
 * `keys` and `authorize` throw goes the way of all errors in Koa.
 */
export function createKoaStream<Context extends KoaBase = KoaBase, Mode extends HydrateMode = 'each'>(
  site: HttpSite,
  keys: Keys<Context & KoaContext>,
  options: StreamOptions<Context & KoaContext, Context & KoaContext, Mode> = {},
  listed: ReadonlyMap<string, string> | null = null,
): KoaMiddleware<Context> {
  const plan = validateStream(options, site.settings, checkEvent)
  const source = createKeySource(keys)
  return createMiddleware(
    (ctx) => admit(ctx.req, withParams(ctx), source, plan),
    (ctx, admitted) => {
      const hooks = bindHooks(plan.hooks, () => withParams(ctx))
      const response = ctx.res
      return site.streams.open({ response, keys: admitted, listed, ...wishesOf(ctx.req), plan, hooks })
    },
  )
}

/**
 * Middleware for what is streamed to GET. `decide` says whether there is a stream, `open` opens it on
 * `ctx.res`, or resolves with 'over' where all of it was sent before: that is a 204.
 */
export function createMiddleware<Context extends KoaBase>(
  decide: (ctx: Context) => Promise<Admission>,
  open: (ctx: Context, keys: readonly string[]) => Promise<'open' | 'over'>,
): KoaMiddleware<Context> {
  return async (ctx, next) => {
    if (ctx.method !== 'GET' && ctx.method !== 'HEAD') {
      await next()
      return
    }
    const admission = await decide(ctx)
    if ('status' in admission) return refuse(ctx, admission.status, admission.text)
    // From here on the response is ours: Koa would send a body of its own, and wait for its end.
    ctx.respond = false
    keepUncompressed(ctx)
    forgiveLeaving(ctx)
    if (ctx.method === 'HEAD') return answerHead(ctx.res)
    if ((await open(ctx, admission.keys)) === 'over') {
      ctx.respond = true
      ctx.res.setHeader('Cache-Control', 'no-store')
      ctx.status = 204
    }
  }
}

/**
 * A router with `GET {prefix}/stream/KEY.sse`, and `GET {prefix}/stream.sse?key=A&key=B` for several
 * keys, all URL-encoded. Where the environment lists events, also with `GET {prefix}/sse/stream`. The browser client is at
 * `GET {prefix}/sse-client.js`, for everybody.
 *
 * Throws OPTION_INVALID without `authorize`, LIBRARY_MISSING where @koa/router is not installed, and
 * OPTION_INVALID, EVENT_INVALID or KEY_INVALID for what the environment says.
 */
export function createKoaRoutes<Context extends KoaBase = KoaBase, Mode extends HydrateMode = 'each'>(
  site: HttpSite,
  options: KoaRoutesOptions<Context & KoaContext, Mode>,
): KoaRoutes {
  const { prefix = '', ...streamOptions } = options ?? {}
  if (typeof streamOptions.authorize !== 'function') {
    throw new FileSignalError('OPTION_INVALID', 'routes() was given no authorize', {
      remedy: 'pass { authorize: (ctx, keys) => ... }, which decides who may listen to which keys',
    })
  }
  const router = createRouter<Context>(prefix, 'routes()')
  const streamOf = (keys: (ctx: KoaContext) => string | string[] | undefined) =>
    createKoaStream<Context, Mode>(site, keys, streamOptions)
  router.get('/sse-client.js', createClientFile<Context>())
  router.get(
    '/stream/:key.sse',
    streamOf((ctx) => ctx.params.key),
  )
  router.get(
    '/stream.sse',
    streamOf((ctx) => ctx.query.key),
  )
  const listed = readListedStream(process.env, streamOptions.duration)
  if (listed) {
    const { events, duration } = listed
    const own = duration === null ? streamOptions : { ...streamOptions, duration }
    router.get('/sse/stream', createKoaStream<Context, Mode>(site, [...events.keys()], own, events))
  }
  return router
}

/** The context as callbacks see it. */
export function withParams<Context extends KoaBase>(ctx: Context): Context & KoaContext {
  return Object.assign(ctx, { params: ctx.params ?? {} })
}

/**
 * A client that leaves by a reset, as HAProxy does for each of them, is an error to Koa: it would print every one
 * with its stack.
 */
function forgiveLeaving(ctx: KoaBase): void {
  const { onerror } = ctx
  if (!onerror) return
  ctx.onerror = (error) => {
    if (!LEAVING.includes(codeOf(error))) onerror.call(ctx, error)
  }
}

function answerHead(res: ServerResponse): void {
  writeStreamHead(res)
  res.end()
}

function refuse(ctx: KoaBase, status: number, text: string): void {
  if (isGone(ctx.res)) return
  ctx.res.setHeader('Cache-Control', 'no-store')
  ctx.status = status
  ctx.body = text
}

/**
 * A router of @koa/router whose paths begin with `prefix`. Throws OPTION_INVALID for what is no path, and
 * LIBRARY_MISSING, which says that `asker` needs it.
 */
export function createRouter<Context>(prefix: string, asker: string): Router<Context> {
  if (typeof prefix !== 'string' || !/^(\/.*[^/])?$/.test(prefix)) {
    throw new FileSignalError('OPTION_INVALID', `prefix is ${quote(prefix)}`, {
      remedy: 'use a path such as "/events"',
    })
  }
  let Constructor: new (options: { prefix?: string }) => Router<Context>
  try {
    Constructor = loadLibrary('@koa/router') as typeof Constructor
  } catch (cause) {
    throw new FileSignalError('LIBRARY_MISSING', `${asker} needs @koa/router, which cannot be loaded`, {
      cause,
      remedy: 'run: npm install @koa/router',
    })
  }
  return new Constructor(prefix ? { prefix } : {})
}
