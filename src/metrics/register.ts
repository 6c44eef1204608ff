import { FileSignalError, quote } from '../errors.js'
import { loadLibrary } from '../library.js'
import type { Looked, MetricPlan } from './catalogue.js'

/** What is used of a Registry of prom-client. */
export interface MetricsRegister {
  readonly contentType: string
  /** All of its metrics as text. */
  metrics(): Promise<string>
  registerMetric(metric: RegisteredMetric): void
  getSingleMetric(name: string): unknown
}

/** What a Registry asks its metrics for. */
export interface RegisteredMetric {
  get(): Promise<unknown>
}

/**
 * The application's register, or one of our own. Throws OPTION_INVALID for what is none, and LIBRARY_MISSING where
 * prom-client is needed and not installed.
 */
export function findRegister(given: unknown): MetricsRegister {
  if (given === undefined) return loadRegister()
  if (isRegister(given)) return given
  throw new FileSignalError('OPTION_INVALID', `register is ${quote(given)}`, {
    remedy: 'use a Registry of prom-client, such as its `register`',
  })
}

/**
 * Adds metrics that are read when they are asked for: counting twice would cost the streams something. Throws
 * OPTION_INVALID where the register has metrics of these names already.
 */
export function registerAll(
  register: MetricsRegister,
  plans: readonly MetricPlan[],
  look: () => Promise<Looked | null>,
): void {
  const taken = plans.find(({ name }) => register.getSingleMetric(name) !== undefined)
  if (taken) {
    throw new FileSignalError('OPTION_INVALID', `register has a metric ${taken.name} already`, {
      remedy: 'call metrics() once for a register, and give another instance a register of its own',
    })
  }
  for (const plan of plans) register.registerMetric(createMetric(plan, look))
}

function createMetric({ name, help, type, read }: MetricPlan, look: () => Promise<Looked | null>) {
  // `aggregator` tells how the numbers of several processes become one.
  const metric = { name, help, type, aggregator: 'sum', get, reset: () => {} }

  async function get() {
    const looked = await look()
    const samples = looked ? read(looked) : []
    const values = samples.map(({ value, labels = {}, suffix = '' }) => ({
      value,
      labels,
      metricName: `${metric.name}${suffix}`,
    }))
    // In the OpenMetrics form a register takes `_total` from the name of a counter.
    return { name: metric.name, help, type, aggregator: 'sum', values }
  }

  return metric
}

function isRegister(given: unknown): given is MetricsRegister {
  if (typeof given !== 'object' || given === null) return false
  return ['metrics', 'registerMetric', 'getSingleMetric'].every(
    (name) => name in given && typeof (given as Record<string, unknown>)[name] === 'function',
  )
}

function loadRegister(): MetricsRegister {
  try {
    const { Registry } = loadLibrary('prom-client') as { Registry: new () => MetricsRegister }
    return new Registry()
  } catch (cause) {
    throw new FileSignalError('LIBRARY_MISSING', 'metrics() needs prom-client, which cannot be loaded', {
      cause,
      remedy: 'run: npm install prom-client',
    })
  }
}
