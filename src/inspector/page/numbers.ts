const COUNT = new Intl.NumberFormat('en')
const SIZES = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** A count with separators: `12,345`. */
export function count(value: number): string {
  return COUNT.format(Math.round(value))
}

/** Something per second: with one digit below 10, or a drizzle would look like nothing. */
export function rate(value: number): string {
  return value > 0 && value < 9.95 ? value.toFixed(1) : count(value)
}

/** Bytes in the unit that leaves one to four digits: `1.5 KiB`. */
export function size(bytes: number): string {
  let unit = 0
  let value = bytes
  while (value >= 1000 && unit < SIZES.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${SIZES[unit]}`
}

/** Whole milliseconds as one reads a latency: `<1 ms`, `45 ms`, `1.2 s`. */
export function latency(ms: number): string {
  if (ms < 1) return '<1 ms'
  return ms < 1000 ? `${ms} ms` : `${Number((ms / 1000).toFixed(1))} s`
}

/** Milliseconds as one reads an age, in its two largest units: `45 s`, `3 min 5 s`, `2 h 10 min`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return join(minutes, 'min', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return join(hours, 'h', minutes % 60, 'min')
  return join(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** The time of day to the millisecond, in the reader's time zone. */
export function clock(at: number): string {
  const date = new Date(at)
  const two = (value: number) => String(value).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}

/** `one` or `many` after its number: `1 stream`, `2 streams`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

function join(large: number, unit: string, small: number, smaller: string): string {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`
}
