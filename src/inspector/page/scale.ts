import { latency } from './numbers.js'
import { draw } from './svg.js'

/** What the plot is drawn in: its width in pixels, and the time in milliseconds at its upper edge. */
export interface Frame {
  readonly width: number
  readonly top: number
}

/** Seconds that are shown. */
export const SPAN = 120
export const HEIGHT = 216

const LEFT = 50
const UPPER = 8
const LOWER = HEIGHT - 24
/** The scale is logarithmic: two milliseconds and two seconds are both worth seeing. Here stands what took less than one. */
const LOWEST = 0.5

export function yOf(ms: number, { top }: Frame): number {
  const share = Math.log(Math.max(ms, LOWEST) / LOWEST) / Math.log(top / LOWEST)
  return LOWER - share * (LOWER - UPPER)
}

/** The newest of `length` seconds stands at the right edge; counted from the left edge of the pane. */
export function xOf(index: number, length: number, { width }: Frame): number {
  return ((SPAN - (length - 1 - index)) * (width - LEFT)) / SPAN
}

/** Draws the lines and their texts, and puts the pane with the curves beside them, which cuts what leaves it. */
export function drawScale(scale: SVGElement, pane: SVGElement, frame: Frame): void {
  const { width, top } = frame
  const parts: SVGElement[] = []
  for (let value = LOWEST; value <= top; value = value < 1 ? 1 : value * 10) {
    const y = yOf(value, frame)
    parts.push(draw('path', { d: `M${LEFT} ${y.toFixed(1)}H${width}` }))
    parts.push(text(LEFT - 8, y + 4, latency(value), 'end'))
  }
  for (let ago = 0; ago <= SPAN; ago += 30) {
    const anchor = ago === 0 ? 'end' : ago === SPAN ? 'start' : 'middle'
    const x = width - (ago * (width - LEFT)) / SPAN
    parts.push(text(x, HEIGHT - 5, ago === 0 ? 'now' : `${ago} s`, anchor))
  }
  scale.replaceChildren(...parts)
  const place = { x: LEFT, y: 0, width: width - LEFT, height: HEIGHT }
  for (const [name, value] of Object.entries(place)) pane.setAttribute(name, String(value))
}

function text(x: number, y: number, content: string, anchor: string): SVGElement {
  const made = draw('text', { x: x.toFixed(1), y: y.toFixed(1), 'text-anchor': anchor })
  made.textContent = content
  return made
}
