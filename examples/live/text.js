export const element = (id) => document.getElementById(id)

/** Text is text here: a file may be called <img onerror=...>. */
export function create(name, text = '') {
  const made = document.createElement(name)
  made.textContent = text
  return made
}

/** Rows of a description list; a fact that is not known yet keeps its place. */
export function createFacts(facts) {
  return facts.flatMap(([name, text]) => [create('dt', name), create('dd', text ?? '–')])
}

/** `the stream is open` becomes `The stream is open.` */
export function toSentence(words) {
  return words && `${words[0].toUpperCase()}${words.slice(1)}.`
}

export function formatCount(count) {
  return count === undefined ? null : Number(count).toLocaleString('en')
}

/** `1 event`, `2 events`. */
export function formatMany(count, thing) {
  return `${formatCount(count)} ${thing}${count === 1 ? '' : 's'}`
}

export function formatSeconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`
}

export function formatBytes(bytes) {
  if (bytes === undefined) return null
  const steps = ['bytes', 'KB', 'MB', 'GB', 'TB']
  let amount = Number(bytes)
  let step = 0
  while (amount >= 1000 && step < steps.length - 1) {
    amount /= 1000
    step += 1
  }
  return `${step === 0 ? amount : amount.toFixed(1)} ${steps[step]}`
}
