import { createJobView } from './job-view.js'

const view = createJobView()
const startButton = document.querySelector('#start')
const answer = document.querySelector('#answer')
const connection = document.querySelector('#connection')
let source = null

connect()
showAbout()
startButton.addEventListener('click', start)
document.querySelector('#copy').addEventListener('click', copyCommand)

/**
 * The browser reconnects by itself and says which event it saw last; the server sends what came after it.
 * Nothing here keeps count.
 */
function connect() {
  showConnection('connecting', 'connecting')
  source = new EventSource('/stream/jobs.sse')
  source.addEventListener('open', () => showConnection('open', 'open'))
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) showConnection('closed', 'closed')
    else showConnection('reconnecting', 'connection lost, reconnecting')
  })
  // What this page saw last is not known any more, so the view begins anew, with all there is.
  source.addEventListener('reset', () => {
    source.close()
    view.clear()
    connect()
  })
  for (const event of ['started', 'progress', 'finding', 'finished', 'failed', 'note']) {
    source.addEventListener(event, ({ data }) => view.take(event, JSON.parse(data)))
  }
}

function showConnection(state, text) {
  connection.dataset.state = state
  connection.textContent = text
}

async function start() {
  if (source.readyState === EventSource.CLOSED) connect()
  answer.textContent = ''
  try {
    const response = await fetch('/jobs', { method: 'POST' })
    if (!response.ok) answer.textContent = `Not started: ${await response.text()}.`
  } catch {
    answer.textContent = 'Not started: the server cannot be reached.'
  }
}

async function showAbout() {
  const about = await (await fetch('/about.json')).json()
  document.querySelector('#folder').textContent = about.folder
  document.querySelector('#command').textContent = about.command
}

async function copyCommand({ target }) {
  await navigator.clipboard.writeText(document.querySelector('#command').textContent)
  target.textContent = 'Copied'
  setTimeout(() => {
    target.textContent = 'Copy'
  }, 1500)
}
