import type { Figures, HealthShown, OpenShown } from '../shown.js'
import { find, mark, write } from './dom.js'
import { between } from './latency.js'
import { age, count, counted, latency, rate, size } from './numbers.js'
import { createPlot } from './plot.js'
import { type Cell, fill } from './table.js'

/** Seconds over which wake-ups are counted. */
const WINDOW = 10

/** What each kind of wake-up is, in words. */
const KINDS: Readonly<Record<string, string>> = {
  watch: 'the signal file changed',
  're-read': 'a second look after that',
  sweep: 'the clock',
  poll: 'the file was looked at',
  local: 'published in this process',
}

/** Shows what `figures.sse` brings; the function that it returns is called once a second. */
export function createFigures(): (figures: Figures) => void {
  const plot = createPlot(find('plot'))
  const past: Figures[] = []

  return (figures) => {
    const before = past.at(-1)
    // Another process answers now, or the same one started again: its counters begin anew.
    if (before && !isSame(before, figures)) past.length = 0
    const last = past.at(-1) ?? null
    showTiles(figures, last)
    showLatency(figures, last)
    showWakes(figures, past[0] ?? figures)
    showStreams(figures)
    showKeys(figures)
    past.push(figures)
    if (past.length > WINDOW) past.shift()
  }

  function showLatency(figures: Figures, last: Figures | null): void {
    const second = last && between(last.latency, figures.latency)
    plot.add(second)
    for (const name of ['p50', 'p99', 'worst'] as const) {
      write(find(name), second ? latency(second[name]) : '–')
    }
  }
}

function isSame(one: Figures, other: Figures): boolean {
  return one.process.pid === other.process.pid && one.process.startedAt === other.process.startedAt
}

function showTiles({ at, process, streams, open, store, health }: Figures, last: Figures | null): void {
  const seconds = last ? (at - last.at) / 1000 : 0
  const perSecond = (now: number, before: number) => (seconds > 0 ? Math.max(0, (now - before) / seconds) : 0)
  write(find('process'), `process ${process.pid} · up ${age(at - process.startedAt)} · ${process.version}`)
  write(find('streams-now'), count(streams.count))
  const others = streams.count - streams.live - streams.behind
  const more = others > 0 ? `, ${counted(others, 'other')}` : ''
  write(find('streams-more'), `${count(streams.live)} live, ${count(streams.behind)} behind${more}`)
  write(find('sent-now'), `${rate(perSecond(streams.events, last?.streams.events ?? 0))} /s`)
  write(find('sent-more'), `${size(perSecond(streams.bytes, last?.streams.bytes ?? 0))}/s`)
  write(find('waiting-now'), size(streams.waiting))
  const full = open.filter(({ waiting }) => waiting > 0).length
  write(find('waiting-more'), full === 0 ? 'in no socket' : `in ${counted(full, 'socket')}`)
  showStore(store)
  showHealth('watcher', health.watcher, at)
  showHealth('health', health.store, at)
}

function showStore({
  engine,
  place,
  bytes,
  disk,
  maxBytes,
  rows,
  keys,
  maxAge,
  maxPerKey,
}: Figures['store']): void {
  write(find('store-now'), size(bytes))
  const limits = [
    maxBytes === null ? 'any size' : `of ${size(maxBytes)}`,
    maxAge === null ? 'any age' : `${age(maxAge)} old at most`,
    maxPerKey === null ? 'any number a key' : `${count(maxPerKey)} a key at most`,
  ]
  const onDisk = disk === null ? '' : ` · ${size(disk)} on disk`
  write(find('store-more'), `${limits[0]}${onDisk} · ${counted(rows, 'event')}, ${counted(keys, 'key')}`)
  find('store-more').title = `${engine}, ${place}: ${limits.join(', ')}`
  const meter = find<HTMLMeterElement>('store-meter')
  meter.hidden = maxBytes === null
  meter.value = bytes / (maxBytes ?? bytes)
}

/** In trouble a part goes on as well as it can, so both are shown. */
function showHealth(name: 'watcher' | 'health', { now, trouble }: HealthShown, at: number): void {
  const element = find(`${name}-now`)
  write(element, now)
  mark(element, trouble === null ? 'good' : 'bad')
  const text = trouble === null ? 'no trouble' : `${age(at - trouble.at)} ago: ${trouble.message}`
  write(find(`${name}-more`), text)
}

function showWakes({ wakes, at }: Figures, then: Figures): void {
  const rows = Object.entries(wakes).map(([kind, value]): Cell[] => [
    { text: kind, more: KINDS[kind] ?? '' },
    then.at < at ? number(value - (then.wakes[kind] ?? 0)) : { text: '–', className: 'number' },
    number(value),
  ])
  fill(find('wakes'), rows)
}

function showStreams({ open, omitted, streams }: Figures): void {
  fill(find('open'), open.map(streamCells))
  const hidden = omitted > 0 ? `, ${count(omitted)} more not listed` : ''
  write(find('open-note'), `furthest behind first${hidden} · ${count(streams.opened)} opened since the start`)
}

function streamCells({ keys, moreKeys, state, kind, lag, waiting, age: ms, address }: OpenShown): Cell[] {
  const more = moreKeys > 0 ? ` and ${count(moreKeys)} more` : ''
  const names = keys.length > 0 ? keys.join(', ') + more : '–'
  return [
    { text: names, title: names, className: 'name' },
    { text: kind === 'stream' ? state : `${state}, ${kind}`, className: state === 'behind' ? 'behind' : '' },
    number(lag),
    { text: size(waiting), className: waiting > 0 ? 'number behind' : 'number none' },
    { text: age(ms), className: 'number' },
    { text: address ?? '–' },
  ]
}

function showKeys({ at, keys }: Figures): void {
  const listened = keys.filter(({ streams }) => streams > 0).length
  write(find('keys-note'), `${count(listened)} listened to here`)
  fill(
    find('keys'),
    keys.map(({ key, streams, lastMinute, recent, newest }): Cell[] => [
      { text: key, title: key, className: 'name' },
      number(streams),
      number(lastMinute),
      { ...number(recent), title: newest === null ? '' : `the last ${age(at - newest)} ago` },
    ]),
  )
}

/** Null is unknown. Nothing is said more quietly than something. */
function number(value: number | null): Cell {
  if (value === null) return { text: '–', className: 'number none' }
  return { text: count(value), className: value === 0 ? 'number none' : 'number' }
}
