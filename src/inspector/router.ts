import { FileSignalError } from '../errors.js'
import {
  createRouter,
  type KoaBase,
  type KoaContext,
  type KoaMiddleware,
  type KoaRoutes,
  withParams,
} from '../http/koa.js'
import type { HttpSite } from '../http/node.js'
import { createKoaSource } from '../http/source.js'
import { refuseUnknown } from '../option-values.js'
import { ASSETS, type AssetName, loadAsset } from './assets.js'
import { createFigures, type FiguresSite } from './figures.js'
import { HEADERS } from './headers.js'
import { createTail } from './tail.js'

export interface InspectorOptions<Context = KoaContext> {
  /** What the paths begin with. Default `/inspector`. */
  prefix?: string
  /** Asked for the page, its files and its feeds, at each request: who may see every key and every event. False refuses with 403. */
  authorize: (context: Context) => boolean | Promise<boolean>
}

export type InspectorSite = HttpSite & FiguresSite

/** Milliseconds from one look at the figures, and at the newest events, to the next. */
const FIGURES = 1000
const TAIL = 250

/**
 * A router with one page at `GET {prefix}/` that shows what goes on, its files, and the two streams that feed it. While
 * nobody looks it does nothing.
 *
 * Throws OPTION_INVALID without `authorize`, for an unknown option and for a prefix that is no path, and LIBRARY_MISSING
 * where @koa/router is not installed. What `authorize` throws goes the way of all errors in Koa.
 */
export function createInspector<Context extends KoaBase = KoaBase>(
  site: InspectorSite,
  options: InspectorOptions<Context & KoaContext>,
): KoaRoutes {
  refuseUnknown(options ?? {}, 'inspector', ['authorize', 'prefix'])
  const { authorize, prefix = '/inspector' } = options ?? {}
  if (typeof authorize !== 'function') {
    throw new FileSignalError('OPTION_INVALID', 'inspector() was given no authorize', {
      remedy: 'pass { authorize: (ctx) => ... }, which decides who may see every key and every event',
    })
  }
  const router = createRouter<Context>(prefix, 'inspector()')
  const tail = createTail(site.payload)

  function serve(path: string, answer: KoaMiddleware<Context>): void {
    router.get(path, async (ctx, next) => {
      for (const [name, value] of Object.entries(HEADERS)) ctx.res.setHeader(name, value)
      if (await authorize(withParams(ctx))) return answer(ctx, next)
      ctx.status = 403
      ctx.body = 'Forbidden\n'
    })
  }

  for (const name of Object.keys(ASSETS) as AssetName[]) serve(`/${name}`, (ctx) => sendAsset(ctx, name))
  serve(
    '/figures.sse',
    createKoaSource<Context, true>(site, createFigures(site), { every: FIGURES, share: true }),
  )
  const openTail = createKoaSource<Context, true>(site, tail.ask, {
    every: TAIL,
    share: true,
    replay: 'none',
  })
  serve('/tail.sse', async (ctx, next) => {
    tail.greet()
    await openTail(ctx, next)
    tail.greet()
  })
  return router
}

async function sendAsset(ctx: KoaBase & { originalUrl?: string }, name: AssetName): Promise<void> {
  const [path = '', query] = (ctx.originalUrl ?? ctx.url).split('?')
  if (name === '' && !path.endsWith('/')) {
    // The page names its files relative to its folder; so does this, for a proxy may have taken a part of the path away.
    ctx.status = 302
    ctx.res.setHeader(
      'Location',
      `./${path.slice(path.lastIndexOf('/') + 1)}/${query === undefined ? '' : `?${query}`}`,
    )
    return
  }
  const { type, body } = await loadAsset(name)
  ctx.res.setHeader('Content-Type', type)
  ctx.status = 200
  ctx.body = body
}
