import { cpus } from 'node:os'

/** The middle one; the mean of the two in the middle where their number is even. */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * One line of a result: what was measured of whom, the medians of the rounds, and whether file-signal
 * reaches its target. `target` is `{ ratio | value: number, least?: true, unit? }`; a ratio is
 * file-signal by the other contestant.
 */
export function line(what, { ours, other, target }) {
  const mine = median(ours)
  const theirs = other ? median(other) : null
  const ratio = theirs === null ? null : mine / theirs
  return { what, ours: mine, other: theirs, ratio, ...(target ? judge(target, mine, ratio) : {}) }
}

function judge(target, value, ratio) {
  const wanted = target.ratio ?? target.value
  const reached = target.ratio ? ratio : value
  const unit = target.ratio ? ' times' : ` ${target.unit}`
  return {
    target: `${target.least ? 'at least' : 'at most'} ${wanted}${unit}`,
    pass: target.least ? reached >= wanted : reached <= wanted,
  }
}

/** What the figures were taken on: they mean little without it. */
export function describeMachine() {
  const [cpu] = cpus()
  return {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpu.model,
    cores: cpus().length,
  }
}

/** The lines of one measurement as text, in columns. */
export function format({ title, other, lines }) {
  const rows = [['', other, 'file-signal', 'ratio', 'target', '']]
  for (const { what, ours, other: theirs, ratio, target, pass } of lines) {
    const verdict = pass === undefined ? '' : pass ? 'pass' : 'MISS'
    rows.push([what, number(theirs), number(ours), number(ratio), target ?? '', verdict])
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  const text = rows.map((row) => `  ${row.map((cell, i) => pad(cell, widths[i], i)).join('  ')}`.trimEnd())
  return [title, ...text, ''].join('\n')
}

function pad(cell, width, column) {
  return column >= 1 && column <= 3 ? cell.padStart(width) : cell.padEnd(width)
}

function number(value) {
  if (value === null) return ''
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 2)
}
