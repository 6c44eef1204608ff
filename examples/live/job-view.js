import { create, createFacts, element, formatBytes, formatCount, formatSeconds } from './text.js'

const LOG_LINES = 200
/** A job that says nothing for so long (ms) has died without a word, and another may begin. */
const SILENCE = 10_000

/**
 * Shows the events of the key "jobs". The view is what all events so far add up to, so it does not
 * matter whether they come one by one or, after a reload, all at once.
 */
export function createJobView() {
  let job = null
  let lines = []
  let findings = 0
  let tally = newTally()
  let drawing = false

  setInterval(draw, 1000)

  /** Many events arrive between two pictures on the screen; it is drawn once. */
  function changed() {
    if (!drawing) requestAnimationFrame(draw)
    drawing = true
  }

  function draw() {
    drawing = false
    drawJob(job, tally)
    drawLog(lines.splice(0), findings)
  }

  return {
    take(event, payload) {
      const facts = typeof payload === 'object' && payload !== null ? payload : { note: payload }
      if (event === 'started') {
        job = null
        findings = 0
        tally = newTally()
      }
      count(tally, facts.number)
      if (event === 'finding') {
        findings += 1
        job = { ...job, at: facts.at }
      } else if (event !== 'note') job = { ...job, ...facts, state: event }
      const text = SENTENCES[event]?.(facts)
      if (text) lines.push({ event, text, at: facts.at })
      changed()
    },
    /** A line of this page itself, which is no event. */
    note(event, text) {
      lines.push({ event, text, at: Date.now() })
      changed()
    },
    /** How many events of the job were lost or came twice, by the numbers that it gives them. */
    faults: () => tally.lost + tally.repeated,
    clear() {
      job = null
      findings = 0
      tally = newTally()
      lines = []
      element('log').replaceChildren()
      changed()
    },
  }
}

/** What the log says of an event; progress is shown by the bar alone. */
const SENTENCES = {
  started: ({ pid, folder }) => `Process ${pid} begins with ${folder}`,
  finding: ({ path, original, bytes }) => `${path} is a copy of ${original} (${formatBytes(bytes)})`,
  finished: ({ files, bytes, milliseconds }) =>
    `Finished: ${formatCount(files)} files, ${formatBytes(bytes)} in ${formatSeconds(milliseconds)}`,
  failed: ({ reason }) => `Failed: ${reason}`,
  note: (facts) => (typeof facts.note === 'string' ? facts.note : JSON.stringify(facts)),
}

function newTally() {
  return { last: 0, lost: 0, repeated: 0 }
}

/** The job numbers its events from 1; what somebody else says under its key has no number. */
function count(tally, number) {
  if (number === undefined) return
  if (number <= tally.last) tally.repeated += 1
  else tally.lost += number - tally.last - 1
  tally.last = Math.max(tally.last, number)
}

function drawJob(job, tally) {
  const running = job !== null && !['finished', 'failed'].includes(job.state) && Date.now() - job.at < SILENCE
  element('start').disabled = running
  const { value, max } = measure(job)
  const bar = element('progress')
  bar.max = max
  bar.value = value
  element('state').textContent = describe(job)
  element('facts').replaceChildren(...createFacts(listFacts(job ?? {}, tally)))
}

function measure(job) {
  if (job?.state === 'finished') return { value: 1, max: 1 }
  return job?.total > 0 ? { value: job.done ?? 0, max: job.total } : { value: 0, max: 1 }
}

function describe(job) {
  if (job === null) return 'No job yet.'
  if (job.state === 'finished') return `Finished after ${formatSeconds(job.milliseconds)}.`
  if (job.state === 'failed') return `Failed: ${job.reason}.`
  if (Date.now() - job.at >= SILENCE) return 'No word from the job for a while.'
  if (job.state === 'started') return 'Looking for files.'
  return `${formatCount(job.done ?? 0)} of ${formatCount(job.total ?? 0)} files, ${formatBytes(job.bytes ?? 0)}`
}

/** Always the same lines, so that nothing below them moves. */
function listFacts(job, tally) {
  const largest = job.largest?.[0]
  return [
    ['Process', job.pid],
    ['Files', formatCount(job.total)],
    ['Read', formatBytes(job.bytes)],
    ['Copies', job.wasted === undefined ? null : `${formatCount(job.copies)}, ${formatBytes(job.wasted)}`],
    ['Unreadable', formatCount(job.unreadable)],
    ['Largest', largest && `${largest.path}, ${formatBytes(largest.bytes)}`],
    ['Events', describeTally(tally)],
  ]
}

function describeTally({ last, lost, repeated }) {
  if (last === 0) return null
  const faults = [lost > 0 && `${formatCount(lost)} lost`, repeated > 0 && `${formatCount(repeated)} twice`]
  return `${formatCount(last)}, ${faults.filter(Boolean).join(', ') || 'each exactly once'}`
}

function drawLog(lines, findings) {
  element('count').textContent = findings === 0 ? '' : `${formatCount(findings)} copies found`
  if (lines.length === 0) return
  const log = element('log')
  log.prepend(...lines.slice(-LOG_LINES).reverse().map(createLine))
  while (log.children.length > LOG_LINES) log.lastElementChild.remove()
}

function createLine({ event, text, at }) {
  const line = create('li')
  line.dataset.event = event
  const time = create('time', at ? new Date(at).toLocaleTimeString() : '')
  line.append(time, create('span', text))
  return line
}
