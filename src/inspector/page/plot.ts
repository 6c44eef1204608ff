import type { Second } from './latency.js'
import { latency } from './numbers.js'
import { drawScale, type Frame, HEIGHT, SPAN, xOf, yOf } from './scale.js'
import { draw as element } from './svg.js'

/** A plot of the last two minutes that moves on with each second. */
export interface Plot {
  /** One more second; null leaves a gap. */
  add(second: Second | null): void
}

const SERIES = ['p50', 'p99'] as const

/** The scale ends here at least: with less the drawing would jump at every hiccup. */
const LEAST_TOP = 100

/** Draws into `place`, as wide as it is; the description follows the newest second, for those who do not see it. */
export function createPlot(place: HTMLElement): Plot {
  const seconds: (Second | null)[] = []
  const worst = element('path', { class: 'worst' })
  const lines = SERIES.map((name) => element('path', { class: name }))
  const moving = element('g')
  moving.append(worst, ...lines)
  const pane = element('svg')
  pane.append(moving)
  const scale = element('g', { class: 'scale' })
  const svg = element('svg', { role: 'img', height: HEIGHT })
  svg.append(scale, pane)
  place.append(svg)
  let frame: Frame = { width: 0, top: 0 }

  function draw(): void {
    const wanted = { width: Math.max(240, place.clientWidth), top: topOf(seconds) }
    if (wanted.width !== frame.width || wanted.top !== frame.top) {
      svg.setAttribute('viewBox', `0 0 ${wanted.width} ${HEIGHT}`)
      drawScale(scale, pane, wanted)
    }
    frame = wanted
    for (const [index, name] of SERIES.entries()) {
      const values = seconds.map((second) => second?.[name] ?? null)
      lines[index]?.setAttribute('d', lineOf(values, frame))
    }
    worst.setAttribute('d', marksOf(seconds, frame))
    svg.setAttribute('aria-label', describe(seconds))
  }

  new ResizeObserver(draw).observe(place)
  draw()
  return {
    add: (second) => {
      seconds.push(second)
      // One more than is seen: it leaves at the left edge.
      if (seconds.length > SPAN + 2) seconds.shift()
      draw()
      slide(moving, xOf(1, 2, frame) - xOf(0, 2, frame))
    },
  }
}

function topOf(seconds: readonly (Second | null)[]): number {
  let top = LEAST_TOP
  for (const second of seconds) while (second && second.worst > top) top *= 10
  return top
}

function lineOf(values: readonly (number | null)[], frame: Frame): string {
  let path = ''
  let isDrawing = false
  for (const [index, value] of values.entries()) {
    if (value !== null) {
      const place = `${xOf(index, values.length, frame).toFixed(1)} ${yOf(value, frame).toFixed(1)}`
      // A second alone is a dot: the caps of a line without length.
      path += isDrawing ? `L${place}` : `M${place}h0`
    }
    isDrawing = value !== null
  }
  return path
}

function marksOf(seconds: readonly (Second | null)[], frame: Frame): string {
  let path = ''
  for (const [index, second] of seconds.entries()) {
    if (!second) continue
    const x = xOf(index, seconds.length, frame)
    path += `M${x.toFixed(1)} ${(yOf(second.worst, frame) - 3).toFixed(1)}l2.6 4.6h-5.2z`
  }
  return path
}

function describe(seconds: readonly (Second | null)[]): string {
  const newest = seconds.findLast((second) => second !== null)
  const what = 'Latency from signal to socket over the last two minutes'
  if (!newest) return `${what}: nothing was sent yet`
  const { p50, p99, worst } = newest
  return `${what}; newest: p50 ${latency(p50)}, p99 ${latency(p99)}, worst ${latency(worst)}`
}

/** Moves the drawing by one second in one second, unless the reader wants nothing to move. */
function slide(moving: SVGElement, step: number): void {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return
  moving.animate([{ transform: `translateX(${step}px)` }, { transform: 'none' }], { duration: 1000 })
}
