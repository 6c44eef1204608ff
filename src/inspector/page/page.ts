import { type LiveState, listen } from '../../client/sse-client.js'
import type { Figures, TailShown } from '../shown.js'
import { find, mark, write } from './dom.js'
import { createFigures } from './figures.js'
import { createTail } from './tail.js'

/** The states of a feed, the worst first. */
const STATES: readonly LiveState['state'][] = ['closed', 'waiting', 'connecting', 'buffered', 'open']

const showFigures = createFigures()
const tail = createTail()
const state = find('state')

// What scrolls is to be reached by keyboard; not every browser sees to that.
for (const region of document.querySelectorAll<HTMLElement>('.scroll')) region.tabIndex = 0

// Two connections for all tabs: with two in each, the third tab would take the last that HTTP/1.1 leaves the site.
const feeds = [listen('figures.sse', { share: true }), listen('tail.sse', { share: true })] as const
feeds[0].on('message', (data) => showFigures(data as Figures))
feeds[1].on('message', (data) => tail.take(data as TailShown))
for (const feed of feeds) feed.on('state', showState)

/** How the feeds stand; of two, the one that is worse. */
function showState(): void {
  const { state: now, message } = feeds.map((feed) => feed.state).sort(byTrouble)[0] as LiveState
  write(state, now === 'open' ? 'live' : `${now}: ${message}`)
  mark(state, now === 'open' || now === 'buffered' ? 'good' : now === 'closed' ? 'bad' : 'wait')
}

function byTrouble(one: LiveState, other: LiveState): number {
  return STATES.indexOf(one.state) - STATES.indexOf(other.state)
}
