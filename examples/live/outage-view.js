import { element, formatMany, formatSeconds } from './text.js'

/** What happened while nobody could bring it needs a moment to arrive, in ms. */
const CATCHING_UP = 1000

/**
 * Tells how long this tab was without the web process, and what became of the events of that time.
 *
 * `faults` gives the number of events so far that were lost or came twice; `onOver` gets the story, a sentence or two.
 */
export function createOutageView({ faults, onOver }) {
  let outage = null
  let pid = null

  setInterval(draw, 100)

  function draw() {
    if (outage === null) return
    const { from, to } = outage
    element('outage').dataset.is = to === null ? 'away' : 'back'
    element('outage').textContent =
      to === null ? `Away for ${formatSeconds(Date.now() - from)}. The job goes on.` : tell(outage)
    if (to === null || Date.now() - to < CATCHING_UP) return
    onOver(tell(outage))
    outage = null
  }

  function tell({ from, to, late, faultsBefore, pidBefore }) {
    const wrong = faults() - faultsBefore
    const fate = wrong === 0 ? 'none is missing, none came twice' : `${wrong} are missing or came twice`
    return [
      `Away for ${formatSeconds(to - from)}.`,
      pid !== pidBefore && `Web process ${pidBefore} is gone, ${pid} answers.`,
      late === 0
        ? 'Nothing happened meanwhile.'
        : `${formatMany(late, 'event')} happened meanwhile: ${fate}.`,
    ]
      .filter(Boolean)
      .join(' ')
  }

  return {
    /** Each state of the client. Waiting again before all has arrived is the same outage. */
    show({ state }) {
      if (state === 'waiting') {
        outage ??= { from: Date.now(), late: 0, faultsBefore: faults(), pidBefore: pid }
        outage.to = null
      } else if (outage?.to === null && (state === 'open' || state === 'buffered')) outage.to = Date.now()
    },
    /** Each event, by the moment in which it was stored (ms). */
    take(createdAt) {
      if (outage !== null && createdAt >= outage.from && createdAt <= (outage.to ?? Date.now()))
        outage.late += 1
    },
    /** What the web process says of itself. */
    meet(webProcess) {
      pid = webProcess.pid
    },
  }
}
