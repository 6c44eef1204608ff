import type { IncomingMessage, ServerResponse } from 'node:http'
import type { StreamOptions } from '../options.js'
import type { Keys } from './keys.js'
import type { HttpSite } from './node.js'

/** What is used of Koa's context. */
export interface KoaBase {
  readonly req: IncomingMessage
  readonly res: ServerResponse
  readonly method: string
  status: number
  body: unknown
  respond?: boolean
}

/** The context as callbacks see it; annotate your callback with Koa's own type to see more. */
export interface KoaContext extends KoaBase {
  readonly url: string
  readonly path: string
  readonly ip: string
  readonly query: Readonly<Record<string, string | string[] | undefined>>
  readonly params: Readonly<Record<string, string | undefined>>
  readonly state: Record<string, unknown>
  get(field: string): string
}

export type KoaMiddleware<Context = KoaBase> = (ctx: Context, next: () => Promise<unknown>) => Promise<void>

export interface KoaRoutesOptions<Context = KoaContext> extends StreamOptions<Context> {
  /** What the paths begin with, for example `/events`. Default: nothing. */
  prefix?: string
  authorize: NonNullable<StreamOptions<Context>['authorize']>
}

/** What is used of the @koa/router Router that `routes()` returns. */
export interface KoaRoutes {
  routes(): KoaMiddleware
  allowedMethods(): KoaMiddleware
}

/** Koa middleware that streams the events of `keys`. Throws KEY_INVALID, EVENT_INVALID, OPTION_INVALID when made. */
export declare function createKoaStream(
  site: HttpSite,
  keys: Keys<KoaContext>,
  options?: StreamOptions<KoaContext>,
): KoaMiddleware

/** Ready-made routes. Throws OPTION_INVALID without `authorize`, LIBRARY_MISSING without @koa/router. */
export declare function createKoaRoutes(site: HttpSite, options: KoaRoutesOptions): KoaRoutes
