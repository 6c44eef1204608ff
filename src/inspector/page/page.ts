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

const figures = listen('figures.sse')
figures.on('message', (data) => showFigures(data as Figures))
figures.on('state', ({ state: now, message }) => {
  write(state, now === 'open' ? 'live' : `${now}: ${message}`)
  mark(state, now === 'open' || now === 'buffered' ? 'good' : now === 'closed' ? 'bad' : 'wait')
})

listen('tail.sse').on('message', (data) => tail.take(data as TailShown))
