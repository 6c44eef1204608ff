/** One metric of a Prometheus text, by the name in its TYPE line. */
export interface Family {
  readonly type: string
  readonly help: string
  readonly samples: readonly PrometheusSample[]
}

export interface PrometheusSample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y
const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]Inf|NaN)$/i
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  gauge: [''],
  counter: [''],
  histogram: ['_bucket', '_sum', '_count'],
}

/**
 * Reads the text form of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats/), and throws for all
 * that is not exactly that: samples without a type, a metric in two places, doubled samples, wrong escapes,
 * histograms that do not add up.
 */
export function readPrometheus(text: string): Map<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const families = new Map<string, { help: string; type: string; samples: PrometheusSample[] }>()
  let name = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, about = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (word === 'HELP') {
      if (!NAME.test(about) || families.has(about)) throw new Error(`a doubled or wrong name: ${line}`)
      name = about
      families.set(name, { help: rest, type: '', samples: [] })
    } else if (word === 'TYPE') {
      const family = families.get(about)
      if (about !== name || !family || family.type || !SUFFIXES[rest])
        throw new Error(`a wrong type: ${line}`)
      family.type = rest
    } else if (line.startsWith('#')) throw new Error(`an unknown comment: ${line}`)
    else if (line !== '') readSample(line, name, families.get(name))
  }
  for (const [own, { type, samples }] of families) check(own, type, samples)
  return families
}

function readSample(
  line: string,
  family: string,
  into?: { type: string; samples: PrometheusSample[] },
): void {
  const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? []
  const suffixes = SUFFIXES[into?.type ?? ''] ?? []
  if (!into || !suffixes.some((suffix) => name === family + suffix)) throw new Error(`no sample: ${line}`)
  if (!NUMBER.test(value)) throw new Error(`no number: ${line}`)
  into.samples.push({ name, labels: readLabels(labels), value: Number(value.replace('Inf', 'Infinity')) })
}

function readLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  for (LABEL.lastIndex = 0; LABEL.lastIndex < text.length; ) {
    const [whole, name = '', value = ''] = LABEL.exec(text) ?? []
    if (whole === undefined || name in labels) throw new Error(`wrong labels: ${text}`)
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
  }
  return labels
}

function check(name: string, type: string, samples: readonly PrometheusSample[]): void {
  const seen = samples.map((sample) => JSON.stringify([sample.name, sample.labels]))
  if (new Set(seen).size < seen.length) throw new Error(`${name} has a sample twice`)
  if ((type === 'counter') !== name.endsWith('_total')) throw new Error(`${name} is named against its type`)
  if (type === 'counter' && samples.some(({ value }) => !(value >= 0))) throw new Error(`${name} is below 0`)
  if (type === 'histogram' && samples.length > 0) checkHistogram(name, samples)
}

function checkHistogram(name: string, samples: readonly PrometheusSample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`)
  const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')))
  const count = samples.find((sample) => sample.name === `${name}_count`)?.value
  const isRising = (numbers: readonly number[], strictly: boolean) =>
    numbers.every((number, i) => i === 0 || number > (numbers[i - 1] ?? 0) - (strictly ? 0 : 1))
  if (!isRising(bounds, true) || bounds.at(-1) !== Number.POSITIVE_INFINITY)
    throw new Error(`${name}: wrong le`)
  if (
    !isRising(
      buckets.map(({ value }) => value),
      false,
    )
  )
    throw new Error(`${name} does not add up`)
  if (buckets.at(-1)?.value !== count) throw new Error(`${name} ends at another number than its count`)
  if (!samples.some((sample) => sample.name === `${name}_sum`)) throw new Error(`${name} has no sum`)
}
