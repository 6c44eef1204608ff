import { createFacts, element, formatSeconds, toSentence } from './text.js'

/** Who holds the connection that brings this tab its events. */
const ROLES = {
  leader: 'leads: its connection serves every tab',
  follower: 'follows: another tab’s connection serves it',
  alone: 'has a connection of its own',
}

/** Shows in which state the client is, and why, and how the tabs of this browser share. */
export function createConnectionView() {
  let now = { state: 'connecting', reason: 'start', message: '', role: 'alone' }
  let about = {}
  let since = performance.now()

  // A lamp alone says nothing to those who cannot tell its colors, so each state has its word.
  function draw() {
    const lamp = element('connection')
    lamp.dataset.state = now.state
    lamp.textContent = now.state
    const isHere = ['open', 'buffered'].includes(now.state) || null
    const rest = (now.retryIn ?? 0) - (performance.now() - since)
    const facts = [
      ['State', `${now.state} (${now.reason})`],
      ['Next attempt', rest > 0 ? `in ${formatSeconds(rest)}` : null],
      ['This tab', ROLES[now.role]],
      ['Web process', isHere && about.pid],
      ['Its streams', isHere && about.streams],
    ]
    element('connection-facts').replaceChildren(...createFacts(facts))
    element('message').textContent = toSentence(now.message)
  }

  // What is drawn anew cannot be selected, so only while something counts down.
  setInterval(() => now.retryIn && draw(), 200)

  return {
    /** What the client says of itself: `{ state, reason, message, retryIn, role }`. */
    show(state) {
      now = state
      since = performance.now()
      draw()
    },
    /** What the web process says of itself: `{ pid, streams }`. */
    meet(webProcess) {
      about = webProcess
      draw()
    },
  }
}
