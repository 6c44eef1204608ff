import { FileSignalError } from '../errors.js'
import { createRouter, type KoaBase, type KoaContext, type KoaRoutes, withParams } from '../http/koa.js'
import { refuseUnknown, whole } from '../option-values.js'
import { KEY_METRICS, METRICS } from './catalogue.js'
import { createLook, type MetricsSite } from './look.js'
import { findRegister, type MetricsRegister, registerAll } from './register.js'

export interface MetricsOptions<Context = KoaContext> {
  /** What the path begins with, for example `/internal`. Default: nothing. */
  prefix?: string
  /** Asked at each request: who may see the figures. False refuses with 403. */
  authorize: (context: Context) => boolean | Promise<boolean>
  /** A Registry of prom-client that gets our metrics too, and is sent whole. Default: one with ours alone. */
  register?: MetricsRegister
  /** How many of the busiest listened keys get metrics with their names, up to 1,000. Default 0. */
  keys?: number
}

/**
 * A router with `GET {prefix}/metrics`: the figures of `stats()` in the Prometheus text form.
 *
 * Throws OPTION_INVALID without `authorize` and for options that are wrong, LIBRARY_MISSING where @koa/router is not
 * installed, or prom-client without a `register`. What `authorize` throws goes the way of all errors in Koa.
 */
export function createMetrics<Context extends KoaBase = KoaBase>(
  site: MetricsSite,
  options: MetricsOptions<Context & KoaContext>,
): KoaRoutes {
  refuseUnknown(options ?? {}, 'metrics', ['authorize', 'prefix', 'register', 'keys'])
  const { authorize, prefix = '' } = options ?? {}
  if (typeof authorize !== 'function') {
    throw new FileSignalError('OPTION_INVALID', 'metrics() was given no authorize', {
      remedy: 'pass { authorize: (ctx) => ... }, which decides who may see the figures',
    })
  }
  const mostKeys = whole(options.keys, 'keys', 0, 1000) ?? 0
  const router = createRouter<Context>(prefix, 'metrics()')
  const register = findRegister(options.register)
  const plans = mostKeys > 0 ? [...METRICS, ...KEY_METRICS] : METRICS
  registerAll(register, plans, createLook(site, mostKeys))

  router.get('/metrics', async (ctx) => {
    ctx.res.setHeader('Cache-Control', 'no-store')
    if (!(await authorize(withParams(ctx)))) {
      ctx.status = 403
      ctx.body = 'Forbidden\n'
      return
    }
    const text = await register.metrics()
    ctx.res.setHeader('Content-Type', register.contentType)
    ctx.res.setHeader('X-Content-Type-Options', 'nosniff')
    ctx.status = 200
    ctx.body = text
  })
  return router
}
