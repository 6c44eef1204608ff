import { element } from './text.js'

/** How much of the past is shown, in ms. */
const SPAN = 30_000
/** Above the rows and below them, for the ends of the lines, in CSS pixels. */
const MARGIN = 5

/**
 * Draws each event as a line from the moment in which it was stored (above) to the moment in which it was here (below).
 * Live events stand upright; those that waited for the web server lean, and meet where it was back.
 */
export function createTimeline() {
  const canvas = element('timeline')
  const pen = canvas.getContext('2d')
  const isCalm = matchMedia('(prefers-reduced-motion: reduce)')
  let events = []
  let outages = []

  schedule()

  function schedule() {
    if (isCalm.matches) setTimeout(draw, 1000)
    else requestAnimationFrame(draw)
  }

  function draw() {
    const now = Date.now()
    events = events.filter(({ here }) => here > now - SPAN)
    outages = outages.filter(({ to }) => to === null || to > now - SPAN)
    const { width, height } = resize()
    const x = (at) => width * (1 - (now - at) / SPAN)
    for (const { from, to } of outages) shade(x(from), x(to ?? now), height)
    for (const event of events) line(x(event.stored), x(event.here), height, event.kind)
    schedule()
  }

  /** As many pixels as the screen has; setting the size also wipes. */
  function resize() {
    const { width, height } = canvas.getBoundingClientRect()
    const dense = devicePixelRatio
    canvas.width = Math.round(width * dense)
    canvas.height = Math.round(height * dense)
    pen.scale(dense, dense)
    return { width, height }
  }

  function shade(from, to, height) {
    pen.fillStyle = color('--shade')
    pen.fillRect(from, 0, to - from, height)
  }

  function line(top, bottom, height, kind) {
    pen.strokeStyle = color(kind === 'progress' ? '--trace' : '--accent')
    pen.lineWidth = kind === 'progress' ? 1 : 1.5
    pen.beginPath()
    pen.moveTo(top, MARGIN)
    pen.lineTo(bottom, height - MARGIN)
    pen.stroke()
  }

  /** The page's colors are light or dark; a canvas has to be told. */
  function color(name) {
    return getComputedStyle(canvas).getPropertyValue(name)
  }

  return {
    /** An event of a kind, by the moment in which it was stored (ms). */
    take(kind, stored) {
      const here = Date.now()
      events.push({ kind, stored, here })
    },
    /** Each state of the client. */
    show({ state }) {
      const last = outages.at(-1)
      if (state === 'waiting' && last?.to !== null) outages.push({ from: Date.now(), to: null })
      else if ((state === 'open' || state === 'buffered') && last?.to === null) last.to = Date.now()
    },
  }
}
