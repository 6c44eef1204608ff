import { listen } from '/sse-client.js'
import { createConnectionView } from './connection-view.js'
import { createJobView } from './job-view.js'
import { createOutageView } from './outage-view.js'
import { element } from './text.js'
import { createTimeline } from './timeline.js'

const EVENTS = ['started', 'progress', 'finding', 'finished', 'failed', 'note']
/** How often the web process is asked how many streams it has, in ms. */
const ASKED_EVERY = 2000

const job = createJobView()
const connection = createConnectionView()
const outage = createOutageView({ faults: job.faults, onOver: (story) => job.note('outage', story) })
const timeline = createTimeline()
let live = null

connect()
setInterval(showAbout, ASKED_EVERY)
element('start').addEventListener('click', () => ask('/jobs'))
element('deploy').addEventListener('click', () => ask('/restart?how=deploy'))
element('kill').addEventListener('click', () => ask('/restart?how=kill'))
element('copy').addEventListener('click', copyCommand)

/** The client comes back by itself, says which event it saw last, and gets what came after it. Nothing here keeps count. */
function connect() {
  live = listen('/stream/jobs.sse', { share: true })
  live.on('state', showState)
  for (const name of EVENTS) live.on(name, (data, event) => take(name, data, event))
  // What this page saw last is not known any more, so the view begins anew, with all there is.
  live.on('reset', () => {
    live.close()
    job.clear()
    connect()
  })
}

function take(name, data, { createdAt }) {
  job.take(name, data)
  outage.take(createdAt)
  timeline.take(name, createdAt)
}

function showState(state) {
  connection.show(state)
  outage.show(state)
  timeline.show(state)
  if (state.state !== 'open') return
  // Who could not be reached can be now.
  element('answer').textContent = ''
  showAbout()
}

/** Asks for something to be done. The answer is short; what comes of it arrives as events. */
async function ask(path) {
  if (live.state.state === 'closed') connect()
  element('answer').textContent = ''
  try {
    const response = await fetch(path, { method: 'POST' })
    if (!response.ok) element('answer').textContent = `Not done: ${await response.text()}.`
  } catch {
    element('answer').textContent = 'Not done: the server cannot be reached.'
  }
}

async function showAbout() {
  if (live.state.state !== 'open' || document.hidden) return
  try {
    const about = await (await fetch('/about.json')).json()
    element('folder').textContent = about.folder
    element('command').textContent = about.command
    connection.meet(about)
    outage.meet(about)
  } catch {
    // It is away; the connection's own state says so.
  }
}

async function copyCommand({ target }) {
  await navigator.clipboard.writeText(element('command').textContent)
  target.textContent = 'Copied'
  setTimeout(() => {
    target.textContent = 'Copy'
  }, 1500)
}
