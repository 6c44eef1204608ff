import { listen } from '../../client/sse-client.js'
import type { Figures, TailShown } from '../shown.js'
import { find, mark, write } from './dom.js'
import { createFigures } from './figures.js'
import { createTail } from './tail.js'

/** The two feeds of the page, beside it. What it shows is what they bring, and whether they do. */
const showFigures = createFigures()
const tail = createTail()
const state = find('state')

// What scrolls is to be reached by keyboard; not every browser sees to that.
for (const region of document.querySelectorAll<HTMLElement>('.scroll')) region.tabIndex = 0

// Two connections for all tabs: with two in each, the third tab would take the last that HTTP/1.1 leaves the site.
const figures = listen('figures.sse', { share: true })
figures.on('message', (data) => showFigures(data as Figures))
figures.on('state', ({ state: now, message }) => {
  write(state, now === 'open' ? 'live' : `${now}: ${message}`)
  mark(state, now === 'open' || now === 'buffered' ? 'good' : now === 'closed' ? 'bad' : 'wait')
})

listen('tail.sse', { share: true }).on('message', (data) => tail.take(data as TailShown))
